"use strict";

/*
 * <groupme-image-input>: the part of the widget that requires JavaScript. It accepts dropped and
 * pasted images, displays a preview, and rejects files that the server would reject.
 *
 * Under a strict Content Security Policy, it can use no inline style, and no blob: or data: image.
 */
if (!customElements.get("groupme-image-input")) {
  const TAG = "groupme-image-input";
  // These elements have a fileInput and a method acceptTransfer().
  const WIDGETS = `${TAG}, groupme-images-input`;
  const ZONES = ".groupme-inline"; // in the admin, see image_inlines.js
  const MAX_PREVIEW_SIZE = 400; // pixels
  const BUILT = ".groupme-chosen, .groupme-actions, .groupme-script, .groupme-new";
  const STATUS_DELAY = 300; // milliseconds
  const MAX_DECODED = 2; // images at once, because each large photo takes about 50 MB
  const SIGNATURE_SIZE = 64; // bytes, which include the brands of AVIF and HEIF files

  // Only the server checks formats that are not listed here.
  const SIGNATURES = {
    jpeg: /^\xff\xd8\xff/,
    png: /^\x89PNG\r\n\x1a\n/,
    gif: /^GIF8[79]a/,
    webp: /^RIFF.{4}WEBP/s,
    bmp: /^BM/,
    raw: /^(FUJIFILMCCD-RAW|IIRO|IIU\0|II\*\0.{4}CR|.{4}ftypcrx)/s,
    tiff: /^(II\*\0|MM\0\*)/,
    jxl: /^(\xff\x0a|\0{3}\x0cJXL )/,
    svg: /^(\xef\xbb\xbf)?\s*<(svg|!DOCTYPE svg)/,
    avif: /^.{4}ftyp(.{4})*?avi[fs]/s,
    heif: /^.{4}ftyp(he|mi[af]|msf)/s, // This also matches most AVIF files, which come first.
  };

  // Most RAW formats have the signature of TIFF.
  const RAW_EXTENSION = /\.(3fr|arw|dng|erf|mef|nef|nrw|pef|srw)$/i;

  let elementCount = 0;

  // The writing direction of a file name may differ from that of the message.
  const isolate = (name) => `\u2068${name}\u2069`;

  const createElement = (tag, attributes, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  };

  const formatOf = async (file) => {
    const buffer = await file.slice(0, SIGNATURE_SIZE).arrayBuffer().catch(() => new ArrayBuffer());
    const prefix = String.fromCharCode(...new Uint8Array(buffer));
    const format = Object.keys(SIGNATURES).find((key) => SIGNATURES[key].test(prefix));
    return format === "tiff" && RAW_EXTENSION.test(file.name) ? "raw" : format;
  };

  let decodedCount = 0;
  const waiting = []; // functions that continue the waiting calls of decodeNext()

  /** Call a function that decodes an image once few others are being decoded. Return its result. */
  const decodeNext = async (decode, isUrgent) => {
    if (decodedCount < MAX_DECODED) decodedCount++;
    else await new Promise((resolve) => waiting[isUrgent ? "unshift" : "push"](resolve));
    try {
      return await decode();
    } finally {
      if (waiting.length) waiting.shift()();
      else decodedCount--;
    }
  };

  const setOrRemoveAttribute = (element, name, value) =>
    value ? element.setAttribute(name, value) : element.removeAttribute(name);

  const elementsOf = (form) =>
    [...document.querySelectorAll(WIDGETS)].filter((element) => element.fileInput?.form === form);

  /** Return the URL of a dragged or copied image, or else of a link, or an empty string. */
  const urlIn = (transfer) => {
    const [html, link, text] = ["text/html", "text/uri-list", "text/plain"].map((type) =>
      transfer.getData(type),
    );
    const image = new DOMParser().parseFromString(html, "text/html").querySelector("img");
    const url = image ? image.src : (link || text).trim(); // An image may link to a page.
    return /^https?:\/\/\S+$/i.test(url) ? url : "";
  };

  /** Base class of the elements for one image and for several images. */
  class ImageElement extends HTMLElement {
    connectedCallback() {
      if (this.fileInput) return; // The element was moved within the document.
      this.fileInput = this.querySelector("input[type=file]");
      if (this.fileInput) this.initialize();
      // The parser may not have reached the input yet.
      else document.addEventListener("DOMContentLoaded", () => this.connectedCallback());
    }

    /** Build the messages, and read what the server has rendered. */
    initialize() {
      this.config = JSON.parse(this.dataset.script);
      this.describedBy = this.fileInput.getAttribute("aria-describedby");
      // Otherwise, the script of Unfold expects a text input next to the file input.
      this.fileInput.hasChangeListener = true;
      // The admin adds a row by copying one, including the elements that were built in it.
      this.querySelectorAll(BUILT).forEach((element) => element.remove());
      this.status = createElement("span", { role: "status" });
      this.error = createElement("span", {
        role: "alert",
        id: `groupme-image-input-${++elementCount}`,
      });
      this.append(createElement("span", { class: "groupme-script" }, this.status, this.error));
      this.labelGroup();
    }

    createButton(key, handleClick) {
      const button = createElement("button", { type: "button" }, this.config.texts[key]);
      button.disabled = this.fileInput.disabled;
      button.addEventListener("click", handleClick);
      return button;
    }

    /** Label the element like its field. */
    labelGroup() {
      const [label, ...others] = this.fileInput.labels;
      if (others.length) {
        this.setAttribute("role", "group");
        this.setAttribute("aria-label", label.textContent.trim().replace(/:$/, ""));
      }
    }

    get uploadRequest() {
      return groupmeImages.uploadRequests.get(this.fileInput.form);
    }

    get needsUpload() {
      const { config, fileInput } = this;
      const isSubmitted = fileInput.files.length > 0 && !fileInput.matches(":disabled");
      return Boolean(config.ahead) && isSubmitted && !this.isMarkedForDeletion;
    }

    // The server ignores the files of forms that are marked for deletion.
    get isMarkedForDeletion() {
      const prefix = this.fileInput.name.slice(0, this.fileInput.name.lastIndexOf("-") + 1);
      const checkboxes = [...document.getElementsByName(`${prefix}DELETE`)];
      return checkboxes.some(({ form, checked }) => form === this.fileInput.form && checked);
    }

    /** Return the file, or the result of shrinking or converting it. */
    async shrunkFile(chosen) {
      const format = await formatOf(chosen);
      const shrink = () => globalThis.groupmeShrinkImage?.(chosen, format, this.config) ?? chosen;
      return decodeNext(shrink);
    }

    async rejectionReason(file) {
      const { formats, allowedText, limit: maxUploadSize } = this.config;
      const name = isolate(file.name);
      if (!file.size) return this.text("empty", { name });
      if (maxUploadSize !== null && file.size > maxUploadSize) {
        // Two different sizes can be equal when they are rounded.
        const isEqual = this.formatSize(file.size) === this.formatSize(maxUploadSize);
        const unit = isEqual ? "byte" : undefined;
        const size = this.formatSize(file.size, unit);
        return this.text("tooLarge", { name, size, limit: this.formatSize(maxUploadSize, unit) });
      }
      const format = await formatOf(file);
      const isAllowed = formats.some((name) => name === format || !(name in SIGNATURES));
      if (isAllowed) return "";
      if (!format) return this.text("wrongType", { name, formats: allowedText });
      const formatName = this.config.formatNames[format];
      return this.text("wrongFormat", { name, format: formatName, formats: allowedText });
    }

    /** Draw an image on a canvas, unless it is null, and return the description of its file. */
    drawPreview(canvas, image, file) {
      canvas.hidden = !image;
      if (image) {
        const scale = Math.min(1, MAX_PREVIEW_SIZE / Math.max(image.width, image.height));
        canvas.width = Math.max(1, Math.round(image.width * scale));
        canvas.height = Math.max(1, Math.round(image.height * scale));
        const context = canvas.getContext("2d");
        context.imageSmoothingQuality = "high";
        context.drawImage(image, 0, 0, canvas.width, canvas.height);
      }
      return this.text(image ? "chosen" : "unreadable", {
        name: isolate(file.name),
        width: image && this.formatNumber(image.width),
        height: image && this.formatNumber(image.height),
        size: this.formatSize(file.size),
      });
    }

    setFiles(files) {
      const transfer = new DataTransfer();
      for (const file of files) transfer.items.add(file);
      this.fileInput.files = transfer.files;
    }

    showStatus(text) {
      this.status.textContent = text;
    }

    showError(...content) {
      this.error.replaceChildren(...content);
      const hasError = Boolean(this.error.textContent);
      const ids = [this.describedBy, hasError && this.error.id].filter(Boolean).join(" ");
      setOrRemoveAttribute(this.fileInput, "aria-describedby", ids);
      setOrRemoveAttribute(this.fileInput, "aria-invalid", hasError && "true");
    }

    text(key, values) {
      return this.config.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    formatNumber(value, options) {
      return new Intl.NumberFormat(this.config.language || undefined, options).format(value);
    }

    formatSize(bytes, unit = bytes < 1024 ? "byte" : bytes < 1024 ** 2 ? "kilobyte" : "megabyte") {
      return this.formatNumber(bytes / { byte: 1, kilobyte: 1024, megabyte: 1024 ** 2 }[unit], {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        maximumFractionDigits: unit === "megabyte" ? 1 : 0,
      });
    }
  }

  class GroupMeImageInput extends ImageElement {
    initialize() {
      super.initialize();
      this.urlInput = this.querySelector("input[type=url]"); // It is null if URLs are not allowed.
      this.clearCheckbox = this.querySelector("input[type=checkbox]");
      this.tokenInput = this.querySelector("input[type=hidden]");
      this.initialToken = this.tokenInput.value;
      // Otherwise, a browser may restore the token of an image that is not displayed.
      this.tokenInput.autocomplete = "off";
      this.choice = 0; // This counter identifies asynchronous results of an earlier choice.
      this.buildElements();
      this.buildActions();
      this.addEventListener("change", (event) => this.handleChange(event.target));
      this.addEventListener("input", () => this.update());
      this.showRestoredFile();
    }

    buildElements() {
      this.canvas = createElement("canvas", { role: "img", hidden: "" });
      this.description = createElement("span", { role: "status" });
      this.removeButton = this.createButton("remove", () => this.removeFile());
      this.removeButton.hidden = true;
      const chosen = [this.canvas, this.description, this.removeButton];
      this.fileInput.after(createElement("span", { class: "groupme-chosen" }, ...chosen));
    }

    /** Build the buttons next to the current image, and hide the inputs until they are needed. */
    buildActions() {
      this.inputs = this.querySelector(".groupme-inputs");
      this.present = this.querySelector(".groupme-present");
      if (!this.inputs || !this.present) return;
      this.note = createElement("span", { role: "status" });
      this.replaceButton = this.createButton("replace", () => this.showInputs(this.inputs.hidden));
      this.clearButton = this.createButton("remove", () => this.clearCheckbox.click());
      const children = [this.note, this.replaceButton, this.clearButton];
      this.present.append(createElement("span", { class: "groupme-actions" }, ...children));
      this.showInputs(this.fileInput.getAttribute("aria-invalid") === "true");
    }

    showInputs(isShown) {
      if (!this.replaceButton) return;
      this.inputs.hidden = !isShown;
      this.replaceButton.setAttribute("aria-expanded", isShown);
    }

    hideButton(button, isHidden) {
      if (isHidden && button === document.activeElement) this.fileInput.focus();
      button.hidden = isHidden;
    }

    /** Show what will happen to the current image when the form is saved. */
    update() {
      if (!this.replaceButton) return;
      const isReplaced = Boolean(this.fileName || this.urlInput?.value);
      const isCleared = Boolean(this.clearCheckbox?.checked);
      const { willBeReplaced, willBeRemoved, remove, undo } = this.config.texts;
      const text = isReplaced ? willBeReplaced : isCleared ? willBeRemoved : "";
      if (this.note.textContent !== text) this.note.textContent = text;
      this.present.classList.toggle("groupme-discarded", Boolean(text));
      if (isReplaced) this.showInputs(true);
      this.hideButton(this.replaceButton, isReplaced || isCleared);
      this.hideButton(this.clearButton, isReplaced || !this.clearCheckbox);
      this.clearButton.textContent = isCleared ? undo : remove;
    }

    /** Show the file that the browser restored after a reload or a history navigation. */
    showRestoredFile() {
      const isHandled = this.fileName || this.preparation;
      if (this.fileInput?.files.length && !isHandled) this.handleFileChange();
      this.update();
    }

    handleChange(target) {
      if (target === this.fileInput) this.handleFileChange();
      else if (target === this.urlInput && target.value) this.discardOtherSources(this.urlInput);
      else if (target === this.clearCheckbox && target.checked) this.discardOtherSources(target);
      this.update();
    }

    handleFileChange() {
      const [file] = this.fileInput.files;
      if (!file) return this.reset();
      const preparation = this.acceptFile(file, ++this.choice);
      // A form that is submitted in the meantime waits for this promise.
      this.preparation = preparation;
      preparation.finally(() => {
        if (this.preparation === preparation) this.preparation = null;
      });
    }

    /** Shrink, check, and display the chosen file. Return whether it was accepted. */
    async acceptFile(chosen, choice) {
      const file = await this.preparedFile(chosen, choice);
      const reason = await this.rejectionReason(file);
      if (choice !== this.choice) return false;
      if (reason) {
        this.setFile(this.file); // The previous choice stays.
        this.showError(reason);
        return false;
      }
      if (file !== chosen) this.setFile(file);
      this.showStatus("");
      this.uploadRequest?.discardReplacedImages();
      if (this.urlInput?.value) this.showStatus(this.text("notAddressed"));
      this.file = file;
      this.fileName = file.name;
      this.tokenInput.value = this.initialToken;
      this.discardOtherSources(this.fileInput);
      this.update();
      // Previews come first, so that the user sees the progress.
      decodeNext(() => this.showPreview(file, choice), true);
      return true;
    }

    async preparedFile(chosen, choice) {
      let status = "";
      const showStatus = () => {
        if (choice !== this.choice) return;
        status = this.text("preparing", { name: isolate(chosen.name) });
        this.showStatus(status);
      };
      const timer = setTimeout(showStatus, STATUS_DELAY);
      const file = await this.shrunkFile(chosen);
      clearTimeout(timer);
      if (status === this.status.textContent) this.showStatus("");
      return file;
    }

    /** Keep one of the file, the URL, and the checkbox that clears the image. Reset the others. */
    discardOtherSources(source) {
      this.showError("");
      if (this.urlInput && source !== this.urlInput) this.urlInput.value = "";
      if (this.clearCheckbox && source !== this.clearCheckbox) this.clearCheckbox.checked = false;
      const hasFile = this.fileName || this.preparation;
      if (hasFile && source !== this.fileInput) this.removeFile();
    }

    async showPreview(file, choice) {
      if (choice !== this.choice) return;
      const image = await createImageBitmap(file).catch(() => null);
      if (choice === this.choice) {
        const text = this.drawPreview(this.canvas, image, file);
        this.canvas.setAttribute("aria-label", this.text("preview"));
        this.removeButton.hidden = false;
        const caption = createElement("strong", {}, this.config.texts.newImage);
        this.description.replaceChildren(caption, " ", text);
      }
      image?.close();
    }

    reset() {
      this.choice++;
      this.file = this.fileName = this.preparation = null;
      this.fileInput.value = "";
      this.uploadRequest?.discardReplacedImages();
      this.tokenInput.value = this.initialToken;
      this.canvas.hidden = true;
      this.hideButton(this.removeButton, true);
      this.description.textContent = "";
      this.showError("");
      this.showStatus("");
      this.update();
    }

    removeFile() {
      const name = this.fileName ?? this.fileInput.files[0].name;
      const text = this.text("removed", { name: isolate(name) });
      this.reset();
      this.showStatus(text);
    }

    setFile(file) {
      this.setFiles(file ? [file] : []);
    }

    /** Accept the first file, or else a URL. Return whether there was one. */
    acceptTransfer(transfer) {
      const [file] = transfer.files;
      const url = file ? "" : urlIn(transfer);
      if (this.fileInput.matches(":disabled") || !(file || (this.urlInput && url))) return false;
      const target = file ? this.fileInput : this.urlInput;
      if (file) this.setFile(file);
      else target.value = url;
      target.dispatchEvent(new Event("change", { bubbles: true }));
      if (url) this.showStatus(`${this.text("addressed")} ${this.status.textContent}`);
      else if (transfer.files[1]) this.showOnlyFirst(this.preparation);
      return true;
    }

    async showOnlyFirst(preparation) {
      if (await preparation) this.showStatus(this.text("onlyFirst"));
    }

    replaceFileWithToken(token) {
      this.tokenInput.value = token;
      this.fileInput.value = "";
      this.file = null;
    }

    showError(text, ...links) {
      if (text) this.showInputs(true);
      super.showError(text, ...links);
    }

    text(key, values) {
      return super.text(key, { name: isolate(this.fileName), ...values });
    }
  }

  // The reset event is dispatched before the browser resets the inputs.
  const handleReset = ({ target: form }) =>
    setTimeout(() => elementsOf(form).forEach((element) => element.reset()));

  const showRestoredFiles = () =>
    document.querySelectorAll(WIDGETS).forEach((element) => element.showRestoredFile?.());

  const isEnabled = ({ fileInput }) => Boolean(fileInput) && !fileInput.matches(":disabled");

  /** Return the widget at a node, or for files, the zone of the inline that contains the node. */
  const receiverAt = (node, { files, types }) => {
    const element = node.closest(WIDGETS);
    // During a drag, the number of files is not known yet.
    const isUnsuitable = !element || (files.length > 1 && element.matches(TAG));
    const isForZone = types.includes("Files") && isUnsuitable;
    return (isForZone && groupmeImages.zoneAt?.(node)) || element;
  };

  /** Return the only element that can accept images, or null if there are several. */
  const onlyVisible = (selector) => {
    const elements = [...document.querySelectorAll(selector)];
    const visible = elements.filter((element) => isEnabled(element) && element.checkVisibility());
    return visible.length === 1 ? visible[0] : null;
  };

  const handlePaste = (event) => {
    const { target, clipboardData } = event;
    const isText = target.matches("input:not([type=file]), textarea");
    const hasText = isText && clipboardData.getData("text/plain");
    if (event.defaultPrevented || target.isContentEditable || hasText) return;
    let receiver = receiverAt(target, clipboardData);
    if (clipboardData.files.length) receiver ??= onlyVisible(ZONES) ?? onlyVisible(WIDGETS);
    if (receiver?.acceptTransfer(clipboardData)) event.preventDefault();
  };

  let draggedOver = null;

  const highlight = (element) => {
    draggedOver?.classList.remove("groupme-dragged");
    draggedOver = element;
    draggedOver?.classList.add("groupme-dragged");
  };

  /** Accept images on a widget. Otherwise, the browser would leave the page for the file or URL. */
  const handleDrag = (event) => {
    const { dataTransfer, type } = event;
    const { types } = dataTransfer;
    const isFile = types.includes("Files");
    // In Firefox, the target can be a text node.
    const target = event.target.closest ? event.target : event.target.parentElement;
    const receiver = receiverAt(target, dataTransfer);
    const isNative = !receiver && target.closest("input, textarea, [contenteditable]");
    highlight(null);
    if (event.defaultPrevented || isNative || !document.querySelector(WIDGETS)) return;
    if (!isFile && !types.includes("text/uri-list")) return;
    event.preventDefault();
    const isAccepted = receiver && isEnabled(receiver) && (isFile || receiver.urlInput);
    dataTransfer.dropEffect = isAccepted ? "copy" : "none";
    if (isAccepted && type === "drop") receiver.acceptTransfer(dataTransfer);
    else if (isAccepted) highlight(receiver);
  };

  const handleDragLeave = ({ relatedTarget }) => {
    if (!relatedTarget) highlight(null); // The pointer has left the window.
  };

  document.addEventListener("reset", handleReset);
  // The page's own handlers come first.
  window.addEventListener("paste", handlePaste);
  window.addEventListener("dragover", handleDrag);
  window.addEventListener("drop", handleDrag);
  window.addEventListener("dragleave", handleDragLeave);
  window.addEventListener("pageshow", showRestoredFiles);

  // The other scripts of the widget use these.
  globalThis.groupmeImages = {
    TAG,
    ImageElement,
    uploadRequests: new Map(), // Each form has at most one running UploadRequest.
    createElement,
    decodeNext,
    elementsOf,
    isolate,
    setOrRemoveAttribute,
  };

  customElements.define(TAG, GroupMeImageInput);
}
