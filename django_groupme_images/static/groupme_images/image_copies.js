"use strict";

/*
 * Find files that were chosen more than once, because each of them would become a public image. The
 * scripts for several images use this function.
 */
if (!globalThis.groupmeImages.findCopies) {
  const CHUNK_SIZE = 1024 ** 2; // bytes

  const originals = new Map(); // The files with different contents, by size.
  const originalOf = new WeakMap(); // The first file with the same content as a file.

  /** Return whether two files of the same size have the same content. */
  const haveSameBytes = async (file, other) => {
    for (let start = 0; start < file.size; start += CHUNK_SIZE) {
      const slices = [file, other].map((each) => each.slice(start, start + CHUNK_SIZE));
      const buffers = await Promise.all(slices.map((slice) => slice.arrayBuffer()));
      const [bytes, otherBytes] = buffers.map((buffer) => new Uint8Array(buffer));
      if (bytes.some((byte, index) => byte !== otherBytes[index])) return false;
    }
    return true;
  };

  const findOriginal = async (file) => {
    const known = originals.get(file.size) ?? [];
    originals.set(file.size, known);
    for (const other of known) {
      // A file cannot be read after it has been changed.
      if (await haveSameBytes(file, other).catch(() => false)) return other;
    }
    known.push(file);
    return file;
  };

  /**
   * Return the copies among the files. Each entry is an array of a file and any value.
   *
   * A copy is an array of the file, the first file with the same content, and the value.
   */
  globalThis.groupmeImages.findCopies = async (entries) => {
    const firsts = new Map();
    const copies = [];
    for (const [file, value] of entries) {
      if (!originalOf.has(file)) originalOf.set(file, findOriginal(file));
      const original = await originalOf.get(file);
      if (firsts.has(original)) copies.push([file, firsts.get(original), value]);
      else firsts.set(original, file);
    }
    return copies;
  };
}
