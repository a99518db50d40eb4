"use strict";

// Request late thumbnails again for 30 seconds, and then display the original.
if (!window.groupmeLateThumbnails) {
  window.groupmeLateThumbnails = true; // A page may include this script several times.
  const DURATION = 30000; // milliseconds
  const LATE = "groupme-late";
  const THUMBNAIL = /(\/(\d+x\d+\.\w+\.[\w-]+|[\da-f]{32}))\.(preview|large|avatar)$/;

  const failures = new WeakMap();
  const urlOf = (image) => image.currentSrc || image.src;

  const handleError = ({ target: image }) => {
    const url = urlOf(image);
    if (image.localName !== "img" || !THUMBNAIL.test(url)) return;
    const now = performance.now();
    let failure = failures.get(image);
    if (failure?.url !== url) failures.set(image, (failure = { url, start: now }));
    if (failure.isHandled) return; // A <picture> element ignores the new src.
    failure.isHandled = true;
    const elapsed = now - failure.start;
    if (elapsed < DURATION) {
      image.classList.add(LATE);
      setTimeout(retry, Math.min(1000 + elapsed / 2, DURATION - elapsed) + 1, image, failure);
    } else {
      image.classList.add("groupme-original");
      image.removeAttribute("srcset");
      image.src = url.replace(THUMBNAIL, "$1");
    }
  };

  const retry = (image, failure) => {
    image.classList.remove(LATE);
    if (!image.isConnected || urlOf(image) !== failure.url) return;
    failure.isHandled = false;
    image.src = image.src; // This makes a new request.
  };

  // A failed image has a symbol and no dimensions. Every rule of the page overrides these.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(
    `:where(.${LATE}){display:inline-block;overflow:hidden;opacity:0}` +
      ":where(.groupme-original){object-fit:cover}",
  );
  document.adoptedStyleSheets.push(sheet);

  // These events do not bubble.
  document.addEventListener("error", handleError, true);
  document.addEventListener("load", ({ target }) => target.classList?.remove(LATE), true);
  for (const image of document.images) {
    if (image.complete && !image.naturalWidth) handleError({ target: image });
  }
}
