"""Where files keep their genre, by kind of file, and the edits that leave them with one.

Each kind is a module with two functions over a binary file: `genres(file)`, what its tags say, and
`edits(file, genre)`, the ranges of bytes to replace so that every place which has a genre has this one. Nothing
outside of these ranges is ever touched, so tags and frames that are not understood stay as they are, to the byte.

    edits    a replaced range of bytes
    id3      ID3v2.2 to 2.4 and ID3v1                mutagen reads the text of a frame, the tag is taken apart here:
    ape      APEv2                                   mutagen writes whole tags anew, in its own words and order
    ends     what stands before and behind the sound of mp3, aac, wv ...
    riff     wav and aiff: chunks
    vorbis   flac and ogg: comments
    mp4      atoms
    asf      objects
    kinds    which of these a file is, by its content
"""
