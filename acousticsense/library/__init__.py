"""Thousands of files: one row for each, whatever becomes of it.

    walk       folders, globs and lists -> paths
    playlist   the entries of lists and playlists
    storage    objects in a store, by URL
    decode     a path -> images and health, or the reason why not       CPU stage: picklable, no weights, any process
    predict      a batch of those -> rows                                   network stage: one classifier
    pool       the CPU stage in processes that may hang or crash
    engine     paths | pool | predict, with everything in between bounded
    ray_engine the same stages on a cluster (ray_nodes: what runs there, ray_cluster: the connection)
    rows       the row, and as JSON
    identity   whether a row still holds: digest of the settings, stamp of the file
    ledger     which files have a row already, in SQLite
    run        walk | ledger | engine | ledger
    features   what songs are compared by, kept in the ledger
    similar    the songs nearest to one
    archive    zip archives from strangers, entry by entry
    batch      uploads | engine, without a ledger: what the page does
    routing    which answers are accepted, and how many of those to expect to be wrong
    export     rows as CSV, JSON Lines, Parquet
    tagging    where each kind of file keeps its genre, and the edits that leave it with one
    tags       the genre in a file's own tags: planned, written, verified
    difference what turns a file's new bytes into its old ones
    undo       the record that takes written tags back
    tag_task   one file's genre, planned or written, in a process that may hang or crash
    copies     genres for files that were sent: planned, or written into copies in a zip

Import the modules; this file imports none, so that a decoder process does not load a network.
"""
