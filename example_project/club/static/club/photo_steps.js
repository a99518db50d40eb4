"use strict";

// Follow the links to the previous and the next photo with the arrow keys, and by swiping over the
// photo. Without this script, the links work as they are.
{
  const MIN_DISTANCE = 50; // CSS pixels
  const MAX_DURATION = 800; // milliseconds; after that, a press may be meant for the context menu
  const EDITABLE = "input, textarea, select, audio, video, [contenteditable]";

  const photo = document.querySelector(".photo");
  const links = document.querySelector(".steps");
  const isRtl = getComputedStyle(links).direction === "rtl";
  const [left, right] = (isRtl ? ["next", "prev"] : ["prev", "next"]).map((rel) =>
    links.querySelector(`a[rel="${rel}"]`),
  );

  // Zoomed pages are scrolled with the arrow keys, and with one finger.
  const isScrollable = () =>
    window.visualViewport?.scale > 1.05 ||
    document.documentElement.scrollWidth > document.documentElement.clientWidth;

  const shortcuts = { ArrowLeft: left, ArrowRight: right };
  for (const [key, link] of Object.entries(shortcuts)) {
    link?.setAttribute("aria-keyshortcuts", key);
  }

  document.addEventListener("keydown", (event) => {
    const hasModifier = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    // A key that is held down would skip photos.
    if (hasModifier || event.repeat || event.defaultPrevented || isScrollable()) return;
    if (!event.target.closest(EDITABLE)) shortcuts[event.key]?.click();
  });

  let start = null;

  document.addEventListener(
    "touchstart",
    (event) => {
      start = null;
      if (event.touches.length > 1 || !photo.contains(event.target) || isScrollable()) return;
      const { clientX, clientY } = event.touches[0];
      start = { x: clientX, y: clientY, time: event.timeStamp };
    },
    { passive: true },
  );

  document.addEventListener("touchend", (event) => {
    if (!start) return;
    const { clientX, clientY } = event.changedTouches[0];
    const distance = clientX - start.x;
    const isHorizontal = Math.abs(distance) > 2 * Math.abs(clientY - start.y);
    const isQuick = event.timeStamp - start.time < MAX_DURATION;
    start = null;
    if (isHorizontal && isQuick && Math.abs(distance) >= MIN_DISTANCE) {
      (distance < 0 ? right : left)?.click();
    }
  });

  document.addEventListener("touchcancel", () => {
    start = null;
  });
}
