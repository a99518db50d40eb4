"use strict";

/*
 * <groupme-image-input>: the part of the widget that requires JavaScript.
 *
 * The server's markup works without it. The script accepts images that are dropped or
 * pasted, displays a preview, rejects files that the server would reject, and shrinks images with
 * image_shrink.js. image_uploads.js uploads them before their form is submitted. The configuration
 * of the scripts is built by forms/widget_script.py.
 *
 * The script works under a strict Content Security Policy: it has no inline style and no
 * blob: or data: image. It reads values from a response, and never inserts its markup.
 */
if (!customElements.get("groupme-image-input")) {
  const TAG = "groupme-image-input";
  const MAX_PREVIEW_SIZE = 400; // pixels, twice the size in the style sheet for dense screens
  const STATUS_DELAY = 300; // milliseconds; a shorter wait needs no explanation
  const SIGNATURE_SIZE = 64; // bytes, which include the brands of AVIF and HEIF files

  // The first bytes of each format. Only the server checks formats that are not listed here.
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

  /** Return the file name in Unicode isolates, because its direction may differ from the text's. */
  const isolate = (name) => `\u2068${name}\u2069`;

  const createElement = (tag, attributes, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  };

  /** Return the name of the file's format, or undefined if it is unknown or cannot be read. */
  const formatOf = async (file) => {
    const buffer = await file.slice(0, SIGNATURE_SIZE).arrayBuffer().catch(() => new ArrayBuffer());
    const prefix = String.fromCharCode(...new Uint8Array(buffer));
    const format = Object.keys(SIGNATURES).find((key) => SIGNATURES[key].test(prefix));
    return format === "tiff" && RAW_EXTENSION.test(file.name) ? "raw" : format;
  };

  const setOrRemoveAttribute = (element, name, value) =>
    value ? element.setAttribute(name, value) : element.removeAttribute(name);

  const elementsOf = (form) =>
    [...document.querySelectorAll(TAG)].filter((element) => element.fileInput?.form === form);

  class GroupMeImageInput extends HTMLElement {
    connectedCallback() {
      if (this.fileInput) return; // The element was moved within the document.
      this.fileInput = this.querySelector("input[type=file]");
      if (this.fileInput) this.initialize();
      // The parser may not have reached the input yet.
      else document.addEventListener("DOMContentLoaded", () => this.connectedCallback());
    }

    initialize() {
      this.config = JSON.parse(this.dataset.script);
      this.urlInput = this.querySelector("input[type=url]"); // It is null if URLs are not allowed.
      this.clearCheckbox = this.querySelector("input[type=checkbox]");
      this.tokenInput = this.querySelector("input[type=hidden]");
      this.initialToken = this.tokenInput.value;
      // Otherwise, a browser may restore the token of an image that is not displayed.
      this.tokenInput.autocomplete = "off";
      this.describedBy = this.fileInput.getAttribute("aria-describedby");
      this.choice = 0; // This counter identifies asynchronous results of an earlier choice.
      this.buildElements();
      this.addEventListener("change", (event) => this.handleChange(event.target));
      this.addEventListener("paste", (event) => this.handlePaste(event));
      this.addEventListener("dragover", (event) => this.handleDragOver(event));
      this.addEventListener("dragleave", (event) => this.handleDragLeave(event));
      this.addEventListener("drop", (event) => this.handleDrop(event));
      this.showRestoredFile();
    }

    buildElements() {
      // The admin adds a row by copying one, including the elements that were built in it.
      this.querySelector(".groupme-script")?.remove();
      const { hint, remove } = this.config.texts;
      this.canvas = createElement("canvas", { role: "img", hidden: "" });
      this.description = createElement("span", { role: "status" });
      this.removeButton = createElement("button", { type: "button", hidden: "" }, remove);
      this.status = createElement("span", { role: "status" });
      this.error = createElement("span", {
        role: "alert",
        id: `groupme-image-input-${++elementCount}`,
      });
      this.removeButton.addEventListener("click", () => this.removeFile());
      const text = createElement("span", {}, this.description, this.removeButton);
      const children = [
        createElement("span", { class: "groupme-hint" }, hint),
        createElement("span", { class: "groupme-chosen" }, this.canvas, text),
        this.status,
        this.error,
      ];
      const container = createElement("span", { class: "groupme-script" }, ...children);
      this.fileInput.parentElement.after(container);
      this.labelGroup();
    }

    /** Label the element like its field, which distinguishes it from other images on the page. */
    labelGroup() {
      const [label, ...others] = this.fileInput.labels;
      if (others.length) {
        this.setAttribute("role", "group");
        this.setAttribute("aria-label", label.textContent.trim().replace(/:$/, ""));
      }
    }

    /** Show the file that the browser restored after a reload or a history navigation. */
    showRestoredFile() {
      const isHandled = this.fileName || this.preparation;
      if (this.fileInput?.files.length && !isHandled) this.handleFileChange();
    }

    /** The running upload request of the form, if there is one. */
    get uploadRequest() {
      return groupmeImages.uploadRequests.get(this.fileInput.form);
    }

    /** True if the chosen file has to be uploaded before the form is submitted. */
    get needsUpload() {
      const { config, fileInput } = this;
      const isSubmitted = fileInput.files.length > 0 && !fileInput.matches(":disabled");
      return Boolean(config.ahead) && isSubmitted && !this.isMarkedForDeletion;
    }

    /** True if the form in a formset is marked for deletion: the server then ignores its file. */
    get isMarkedForDeletion() {
      const prefix = this.fileInput.name.slice(0, this.fileInput.name.lastIndexOf("-") + 1);
      const checkboxes = [...document.getElementsByName(`${prefix}DELETE`)];
      return checkboxes.some(({ form, checked }) => form === this.fileInput.form && checked);
    }

    handleChange(target) {
      if (target === this.fileInput) this.handleFileChange();
      else if (target === this.urlInput && target.value) this.discardOtherSources(this.urlInput);
      else if (target === this.clearCheckbox && target.checked) this.discardOtherSources(target);
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
      this.showPreview(file, choice);
      return true;
    }

    /** Return the file in the form in which it is sent, and show the status if this takes long. */
    async preparedFile(chosen, choice) {
      let status = "";
      const showStatus = () => {
        if (choice !== this.choice) return;
        status = this.text("preparing", { name: isolate(chosen.name) });
        this.showStatus(status);
      };
      const timer = setTimeout(showStatus, STATUS_DELAY);
      const format = await formatOf(chosen);
      const file = await (globalThis.groupmeShrinkImage?.(chosen, format, this.config) ?? chosen);
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

    /** Return the reason why the server would reject the file, or an empty string. */
    async rejectionReason(file) {
      const { formats, formatsText, allowedText, limit: maxUploadSize } = this.config;
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
      if (!format) return this.text("wrongType", { name, formats: formatsText });
      const formatName = this.config.formatNames[format];
      return this.text("wrongFormat", { name, format: formatName, formats: allowedText });
    }

    async showPreview(file, choice) {
      const image = await createImageBitmap(file).catch(() => null);
      if (choice === this.choice) {
        if (image) this.drawPreview(image);
        this.canvas.hidden = !image;
        this.removeButton.hidden = false;
        this.description.textContent = this.text(image ? "chosen" : "unreadable", {
          width: image && this.formatNumber(image.width),
          height: image && this.formatNumber(image.height),
          size: this.formatSize(file.size),
        });
      }
      image?.close();
    }

    drawPreview(image) {
      const scale = Math.min(1, MAX_PREVIEW_SIZE / Math.max(image.width, image.height));
      const canvas = this.canvas;
      canvas.width = Math.max(1, Math.round(image.width * scale));
      canvas.height = Math.max(1, Math.round(image.height * scale));
      canvas.setAttribute("aria-label", this.text("preview"));
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
    }

    /** Restore the state before a file was chosen. */
    reset() {
      this.choice++;
      this.file = this.fileName = this.preparation = null;
      this.fileInput.value = "";
      this.uploadRequest?.discardReplacedImages();
      this.tokenInput.value = this.initialToken;
      this.canvas.hidden = this.removeButton.hidden = true;
      this.description.textContent = "";
      this.showError("");
      this.showStatus("");
    }

    /** Remove the chosen file, and announce it. */
    removeFile() {
      const name = this.fileName ?? this.fileInput.files[0].name;
      const text = this.text("removed", { name: isolate(name) });
      const hadFocus = document.activeElement === this.removeButton;
      this.reset();
      this.showStatus(text);
      if (hadFocus) this.fileInput.focus(); // The button is hidden now.
    }

    setFile(file) {
      const transfer = new DataTransfer();
      if (file) transfer.items.add(file);
      this.fileInput.files = transfer.files;
    }

    handlePaste(event) {
      const { clipboardData } = event;
      if (event.target === this.urlInput && clipboardData.getData("text/plain")) return;
      if (this.acceptTransfer(clipboardData)) event.preventDefault();
    }

    handleDragOver(event) {
      const { dataTransfer } = event;
      const isFile = dataTransfer.types.includes("Files");
      if (!isFile && !dataTransfer.types.includes("text/uri-list")) return;
      event.preventDefault(); // Otherwise, the browser may leave the page for the URL.
      const isAccepted = isFile || Boolean(this.urlInput);
      dataTransfer.dropEffect = isAccepted ? "copy" : "none";
      this.classList.toggle("groupme-dragged", isAccepted);
    }

    handleDragLeave(event) {
      if (!this.contains(event.relatedTarget)) this.classList.remove("groupme-dragged");
    }

    handleDrop(event) {
      if (!this.classList.contains("groupme-dragged")) return;
      event.preventDefault(); // Otherwise, the browser leaves the page for the file or URL.
      this.classList.remove("groupme-dragged");
      this.acceptTransfer(event.dataTransfer);
    }

    /** Accept the first file, or else a URL. Return whether there was one. */
    acceptTransfer(transfer) {
      const url = (transfer.getData("text/uri-list") || transfer.getData("text/plain")).trim();
      const isFile = transfer.files.length > 0;
      if (this.fileInput.matches(":disabled")) return false;
      if (!isFile && !(this.urlInput && /^https?:\/\/\S+$/i.test(url))) return false;
      if (isFile) this.setFile(transfer.files[0]);
      else this.urlInput.value = url;
      const target = isFile ? this.fileInput : this.urlInput;
      target.dispatchEvent(new Event("change", { bubbles: true }));
      if (!isFile) this.showStatus(`${this.text("addressed")} ${this.status.textContent}`);
      return true;
    }

    /** Replace the file with the signed token of its upload. */
    replaceFileWithToken(token) {
      this.tokenInput.value = token;
      this.fileInput.value = "";
      this.file = null;
    }

    showStatus(text) {
      this.status.textContent = text;
    }

    showError(text, ...links) {
      this.error.replaceChildren(text, ...links);
      const ids = [this.describedBy, text && this.error.id].filter(Boolean).join(" ");
      setOrRemoveAttribute(this.fileInput, "aria-describedby", ids);
      setOrRemoveAttribute(this.fileInput, "aria-invalid", text && "true");
    }

    /** Return a text of the configuration with the values in place of its placeholders. */
    text(key, values) {
      const allValues = { name: isolate(this.fileName), ...values };
      return this.config.texts[key].replace(/\{(\w+)\}/g, (_, name) => allValues[name]);
    }

    formatNumber(value, options) {
      return new Intl.NumberFormat(this.config.language || undefined, options).format(value);
    }

    /** Return a file size as text, in multiples of 1024 bytes as in Django. */
    formatSize(bytes, unit = bytes < 1024 ? "byte" : bytes < 1024 ** 2 ? "kilobyte" : "megabyte") {
      return this.formatNumber(bytes / { byte: 1, kilobyte: 1024, megabyte: 1024 ** 2 }[unit], {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        maximumFractionDigits: unit === "megabyte" ? 1 : 0,
      });
    }
  }

  // The reset event is dispatched before the browser resets the inputs.
  const handleReset = ({ target: form }) =>
    setTimeout(() => elementsOf(form).forEach((element) => element.reset()));

  const showRestoredFiles = () =>
    document.querySelectorAll(TAG).forEach((element) => element.showRestoredFile());

  document.addEventListener("reset", handleReset);
  window.addEventListener("pageshow", showRestoredFiles);

  // The other scripts of the widget use these.
  globalThis.groupmeImages = {
    TAG,
    uploadRequests: new Map(), // Each form has at most one running UploadRequest.
    createElement,
    elementsOf,
    isolate,
    setOrRemoveAttribute,
  };

  customElements.define(TAG, GroupMeImageInput);
}
