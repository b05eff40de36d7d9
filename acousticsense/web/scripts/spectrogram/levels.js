// The image is a PNG with a palette whose rows are not filtered: unpacked, its bytes are the levels, 0 to 255, in rows
// from the top with one byte before each.
const readLevels = async (image) => {
  const bytes = Uint8Array.from(atob(image.src.split(",")[1]), (letter) => letter.charCodeAt(0));
  const header = new DataView(bytes.buffer);
  const packed = [];
  for (let at = 8; at < bytes.length; at += header.getUint32(at) + 12) {
    const isData = String.fromCharCode(...bytes.subarray(at + 4, at + 8)) === "IDAT";
    if (isData) packed.push(bytes.subarray(at + 8, at + 8 + header.getUint32(at)));
  }
  const rows = new Blob(packed).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(rows).arrayBuffer());
};
