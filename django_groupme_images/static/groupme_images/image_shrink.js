"use strict";

/*
 * Shrink and convert an image in the browser, so that less data is sent. If the image or browser is
 * unusual, the original file is sent, and the server shrinks or converts it. The script creates no
 * URLs for files, so it works under a strict Content Security Policy.
 */
{
  const JPEG_QUALITY = 0.9;
  const TIMEOUT = 10_000; // milliseconds, after which the browser has probably failed
  const CHANNELS = 4; // red, green, blue, and alpha

  const textAt = (bytes, start, end) => String.fromCharCode(...bytes.subarray(start, end));

  /** Return whether a file of the ISO base media family is a complete still image. */
  const isStillMediaFile = (bytes, view) => {
    // These brands are those of image sequences.
    if (/avis|hev[cmsx]|msf1/.test(textAt(bytes, 8, view.getUint32(0)))) return false;
    let offset = 0;
    while (offset < bytes.length) {
      const size = view.getUint32(offset);
      if (size < 8) return false; // The size has 64 bits, or is not known.
      offset += size;
    }
    return offset === bytes.length;
  };

  /*
   * For each format, whether a file is complete and not animated. Browsers may decode only a part
   * of other files. A RangeError means that the file is not complete.
   */
  const isStill = {
    jpeg(bytes, view) {
      let offset = 2;
      // A segment before the start of the scan can contain a thumbnail with an end marker.
      while (view.getUint16(offset) !== 0xffda) offset += 2 + view.getUint16(offset + 2);
      while (view.getUint16(offset) !== 0xffd9) {
        offset = bytes.indexOf(0xff, offset + 1);
        if (offset < 0) return false;
      }
      return true;
    },
    png(bytes, view) {
      let offset = 8;
      for (;;) {
        const type = textAt(bytes, offset + 4, offset + 8);
        if (type === "IEND") return true;
        if (type === "acTL") return false;
        offset += 12 + view.getUint32(offset);
      }
    },
    webp(bytes, view) {
      const isAnimated = textAt(bytes, 12, 16) === "VP8X" && (bytes[20] & 2) > 0;
      return !isAnimated && view.getUint32(4, true) + 8 <= bytes.length;
    },
    bmp: (bytes, view) => view.getUint32(2, true) <= bytes.length,
    avif: isStillMediaFile,
    heif: isStillMediaFile,
  };

  const createContext = (width, height) => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    return canvas.getContext("2d", { willReadFrequently: true });
  };

  const pixelsOf = (context) => {
    const { width, height } = context.canvas;
    return context.getImageData(0, 0, width, height).data;
  };

  /** Release the memory of the canvas, which Safari keeps otherwise. */
  const release = ({ canvas }) => {
    canvas.width = canvas.height = 0;
  };

  /**
   * Return whether pixels can be read as they were drawn. To prevent fingerprinting, Firefox may
   * return noise or white pixels. Other browsers change each value slightly, which is not visible.
   */
  const isCanvasReadable = () => {
    const context = createContext(16, 16);
    context.fillStyle = "#336699";
    context.fillRect(0, 0, 16, 8);
    context.fillStyle = "#996633";
    context.fillRect(0, 8, 16, 8);
    const pixels = pixelsOf(context);
    const colors = [
      [0x33, 0x66, 0x99, 0xff],
      [0x99, 0x66, 0x33, 0xff],
    ];
    const expected = (index) => colors[index < pixels.length / 2 ? 0 : 1][index % CHANNELS];
    release(context);
    return pixels.every((value, index) => Math.abs(value - expected(index)) < 4);
  };

  /** Return whether there are transparent pixels. Throw an error if all pixels are. */
  const hasTransparency = (context) => {
    const pixels = pixelsOf(context);
    let count = 0;
    for (let index = CHANNELS - 1; index < pixels.length; index += CHANNELS) {
      if (pixels[index] < 255) count++;
    }
    // Safari leaves a canvas or a bitmap empty if there is not enough memory.
    if (count === pixels.length / CHANNELS) throw new Error("The browser has drawn nothing.");
    return count > 0;
  };

  /** Return a canvas context with the image, scaled so that no side exceeds the maximum. */
  const drawScaled = async (image, maxDimension) => {
    const scale = Math.min(1, maxDimension / Math.max(image.width, image.height));
    const width = Math.max(1, Math.round(image.width * scale));
    const height = Math.max(1, Math.round(image.height * scale));
    // drawImage() alone would use few pixels of a large image in Firefox.
    const options = { resizeWidth: width, resizeHeight: height, resizeQuality: "high" };
    const scaled = scale < 1 ? await createImageBitmap(image, options) : image;
    const context = createContext(width, height);
    context.drawImage(scaled, 0, 0, width, height);
    scaled.close();
    return context;
  };

  const encode = ({ canvas }, type) =>
    new Promise((resolve) => canvas.toBlob(resolve, type, JPEG_QUALITY));

  /** Return the pixels of the context as a file, or null if its format is not allowed. */
  const encodeAllowed = async (context, file, format, allowedFormats) => {
    const isTransparent = hasTransparency(context);
    const isPng = format === "png" || (isTransparent && format !== "jpeg");
    const newFormat = isPng ? "png" : "jpeg";
    if (!allowedFormats.includes(newFormat)) return null;
    const type = `image/${newFormat}`;
    const blob = await encode(context, type);
    if (blob?.type !== type) return null; // The browser cannot encode the image.
    const extension = isPng ? ".png" : ".jpg";
    const name = format === newFormat ? file.name : file.name.replace(/(\.\w+)?$/, extension);
    return new File([blob], name, { type, lastModified: file.lastModified });
  };

  /** Return a smaller or converted file, or null if the original is to be used. */
  const shrink = async (file, format, { formats, convert = [], maxDimension = null }) => {
    const isConverted = convert.includes(format);
    const isShrinkable = maxDimension !== null && ["jpeg", "png"].includes(format);
    if (!isStill[format] || !(isConverted || isShrinkable) || !isCanvasReadable()) return null;
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (!isStill[format](bytes, new DataView(bytes.buffer))) return null;
    // A browser without this option might ignore the orientation. It throws an error instead.
    const image = await createImageBitmap(file, { imageOrientation: "from-image" });
    const limit = maxDimension ?? Infinity;
    const isLarge = Math.max(image.width, image.height) > limit;
    const context = isConverted || isLarge ? await drawScaled(image, limit) : null;
    image.close();
    if (!context) return null;
    const allowedFormats = formats.filter((name) => !convert.includes(name));
    const result = await encodeAllowed(context, file, format, allowedFormats);
    release(context);
    return isConverted || result?.size < file.size ? result : null;
  };

  /**
   * Return the image with at most the configured dimension, and in an allowed format; or the file
   * itself if nothing has to be changed, or if the browser cannot do it.
   */
  globalThis.groupmeShrinkImage = (file, format, config) => {
    const timeout = new Promise((resolve) => setTimeout(resolve, TIMEOUT));
    const result = shrink(file, format, config).catch(() => null);
    return Promise.race([result, timeout]).then((shrunken) => shrunken ?? file);
  };
}
