"use strict";

/*
 * <groupme-image-input>: the part of the widget that requires JavaScript.
 *
 * The server's markup works without it. The script accepts images that are dropped or
 * pasted, displays a preview, rejects files that the server would reject, shrinks images with
 * image_shrink.js, and uploads the images in a separate request before it submits the form, so
 * that it can display the progress. forms/widgets.py describes that request, and builds this
 * script's configuration in widget_config_json().
 *
 * The script works under a strict Content Security Policy: it has no inline style and no
 * blob: or data: image. It reads values from a response, and never inserts its markup.
 */
if (!customElements.get("groupme-image-input")) {
  const TAG = "groupme-image-input";
  const MAX_PREVIEW_SIZE = 400; // pixels, twice the size in the style sheet for dense screens
  const PROGRESS_TIMEOUT = 300; // milliseconds; browsers report upload progress every 100
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

  // Each form has at most one running UploadRequest.
  const uploadRequests = new Map();
  // These forms are submitted without an upload request.
  const plainForms = new WeakSet();
  // These forms are submitted when all of their files have been prepared.
  const waitingForms = new Set();
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
      const { hint, remove, stop } = this.config.texts;
      this.canvas = createElement("canvas", { role: "img", hidden: "" });
      this.description = createElement("span", { role: "status" });
      this.removeButton = createElement("button", { type: "button", hidden: "" }, remove);
      this.progressBar = createElement("progress", { max: 1 });
      this.stopButton = createElement("button", { type: "button" }, stop);
      const controls = [this.progressBar, this.stopButton];
      const rowAttributes = { class: "groupme-sending", hidden: "" };
      this.progressRow = createElement("span", rowAttributes, ...controls);
      this.status = createElement("span", { role: "status" });
      this.error = createElement("span", {
        role: "alert",
        id: `groupme-image-input-${++elementCount}`,
      });
      this.removeButton.addEventListener("click", () => this.removeFile());
      this.stopButton.addEventListener("click", () => this.uploadRequest?.stop());
      const text = createElement("span", {}, this.description, this.removeButton);
      const children = [
        createElement("span", { class: "groupme-hint" }, hint),
        createElement("span", { class: "groupme-chosen" }, this.canvas, text),
        this.progressRow,
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
      return uploadRequests.get(this.fileInput.form);
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

  /**
   * The request that uploads the images of a form before the form itself is submitted.
   *
   * The server never accepts a form in this request: it responds with the form again, which
   * contains a signed token for each uploaded image, or errors.
   *
   * The stop button aborts the request if its body has not been sent yet. Afterwards, an abort
   * would not prevent the server from uploading the images. The request then continues in the
   * background, and its results are kept for the files that are still chosen. If the form is
   * submitted again in the meantime, it waits for this request, so that no image is uploaded twice.
   */
  class UploadRequest {
    constructor(form, submitter, elements) {
      Object.assign(this, { form, submitter });
      this.isPartlySent = this.isSent = this.isStopped = false;
      this.url = actionOf(form, submitter).href;
      this.images = elements.map((element) => {
        const { files, name } = element.fileInput;
        // The admin may rename the input during the request, when another row is removed.
        return { element, file: files[0], inputName: name };
      });
    }

    send() {
      const request = (this.request = new XMLHttpRequest()); // fetch() reports no upload progress.
      request.open("POST", this.url);
      request.responseType = "document"; // Such a document runs no scripts and loads no images.
      request.upload.onprogress = ({ loaded, total }) => this.handleProgress(loaded / total);
      request.upload.onload = () => this.handleBodySent();
      request.onload = () => this.handleResponse();
      request.onerror = () => this.handleNetworkError();
      request.send(this.formData());
      uploadRequests.set(this.form, this);
      this.showProgressRow();
    }

    /** Return the data of the form with only the files that are uploaded. */
    formData() {
      const data = new FormData(this.form, this.submitter);
      const names = this.images.map(({ inputName }) => inputName);
      for (const [name, value] of [...data]) {
        if (value instanceof File && !names.includes(name)) data.delete(name);
      }
      // The server would respond with the token of an earlier upload as if it were of this one.
      for (const { element } of this.images) data.delete(element.tokenInput.name);
      data.set(this.firstElement.config.ahead, "1");
      return data;
    }

    /** The element that displays the progress of all images of the request. */
    get firstElement() {
      return this.images[0].element;
    }

    showProgressRow() {
      const { firstElement } = this;
      for (const { element } of this.images) element.showError("");
      firstElement.progressBar.setAttribute("aria-label", this.text("sending"));
      firstElement.showStatus(this.text("sending"));
      this.setProgress(0);
      firstElement.progressRow.hidden = false;
      // A fast upload does not scroll the page, because a double click would miss the button.
      const scroll = () => firstElement.progressRow.scrollIntoView({ block: "nearest" });
      this.timer = setTimeout(scroll, 700);
    }

    setProgress(fraction) {
      this.firstElement.progressBar.value = fraction;
    }

    /** Handle the browser's report that a fraction of the body has been sent. */
    handleProgress(fraction) {
      this.isPartlySent = fraction < 1;
      if (!this.isStopped) this.setProgress(fraction);
      else if (this.isPartlySent) this.abort();
    }

    handleBodySent() {
      this.isSent = true;
      if (this.isStopped) this.showStopped();
      else this.showForwarding();
    }

    /** Show that the site has the images, and uploads them to the image service. */
    showForwarding() {
      this.firstElement.progressBar.removeAttribute("value");
      this.firstElement.showStatus(this.text("waiting"));
    }

    hideProgressRow() {
      const { firstElement } = this;
      // The page's own script may have disabled the button, because it expects a new page.
      if (this.submitter) this.submitter.disabled = false;
      const hadFocus = document.activeElement === firstElement.stopButton;
      firstElement.progressRow.hidden = true;
      firstElement.showStatus("");
      if (hadFocus) firstElement.fileInput.focus(); // The button is hidden now.
    }

    stop() {
      if (this.isStopped) return;
      this.hideProgressRow();
      this.isStopped = true;
      this.showStopped();
      if (this.isPartlySent) this.abort();
    }

    showStopped() {
      clearTimeout(this.timer);
      this.firstElement.showStatus(this.text(this.isSent ? "stoppedLate" : "stopped"));
      // Before the first progress report, a small body may have been sent already.
      if (!this.isSent) this.timer = setTimeout(() => this.abort(), PROGRESS_TIMEOUT);
    }

    abort() {
      this.request.abort();
      this.finish();
    }

    /** Continue this stopped request, and submit the form once the response has arrived. */
    resume(submitter) {
      clearTimeout(this.timer);
      Object.assign(this, { submitter, isStopped: false });
      this.showProgressRow();
      if (this.isSent) this.showForwarding();
    }

    /** Discard the images whose files have been removed or replaced. */
    discardReplacedImages() {
      const images = this.images.filter(isStillChosen);
      if (images.length === this.images.length) return;
      this.stop();
      if (images.length) this.images = images;
      else this.abort();
    }

    finish() {
      clearTimeout(this.timer);
      uploadRequests.delete(this.form);
      if (!this.isStopped) this.hideProgressRow();
    }

    handleResponse() {
      this.finish();
      this.images = this.images.filter(isStillChosen);
      if (!this.images.length) return;
      const results = this.images.map((image) => ({ ...image, ...this.resultOf(image) }));
      if (!results.some(({ errors }) => errors)) return this.handleOtherResponse();
      const rejected = results.filter((result) => !this.applyResult(result));
      if (this.isStopped) return;
      if (rejected.length) rejected[0].element.fileInput.focus();
      // Files without a result are submitted with the form.
      else submitForm(this.form, this.submitter);
    }

    /** Return the token and the errors of an image, if the response is the same form. */
    resultOf({ inputName }) {
      const { response, responseURL } = this.request;
      if (!response || new URL(responseURL, location).origin !== location.origin) return null;
      return [...response.querySelectorAll(TAG)]
        .filter((other) => other.querySelector("input[type=file]")?.name === inputName)
        .map((other) => ({
          token: other.querySelector("input[type=hidden]")?.value,
          errors: errorsIn(other),
        }))
        .find(({ token, errors }) => token || errors.length);
    }

    /** Keep the token of an image, or show its errors. Return whether the form can be submitted. */
    applyResult({ element, token, errors }) {
      if (token) {
        element.replaceFileWithToken(token);
        if (this.isStopped) element.showStatus(element.text("uploaded"));
      } else if (errors && !this.isStopped) element.showError(errors.join(" "));
      return Boolean(token || !errors);
    }

    /**
     * Handle a response that is not this form.
     *
     * A view that ignores whether the form is valid may have accepted it in this request.
     * Therefore, the script does not submit it again, and neither displays the response nor repeats
     * the request: it opens the URL of the response, or offers it as a link.
     */
    handleOtherResponse() {
      const { status, responseURL } = this.request;
      const isRedirected = Boolean(responseURL) && responseURL !== this.url;
      const isTooLarge = status === 413;
      const isError = isTooLarge || (status >= 400 && !isRedirected);
      // Submitted again without the script, the form leads to the site's own page, such as a login.
      if (!isTooLarge && status < 500) plainForms.add(this.form);
      if (isError) this.showError(isTooLarge ? "tooLargeForSite" : "failed", { status });
      else if (isRedirected && !this.isStopped) location.assign(responseURL);
      else {
        const attributes = { href: responseURL || this.url };
        const link = createElement("a", attributes, this.text("openPage"));
        this.firstElement.showError(this.text("otherPage"), " ", link);
      }
    }

    /** Handle a request without a response, or with one that the script must not read. */
    handleNetworkError() {
      this.finish();
      // The site may redirect to another site, where only a submitted form can follow.
      if (navigator.onLine && !this.isStopped) plainForms.add(this.form);
      this.showError("broken");
    }

    showError(key, values) {
      if (!this.isStopped) this.firstElement.showError(this.text(key, values));
    }

    /** Return a text of the configuration about all files of the request. */
    text(key, values) {
      const names = this.images.map(({ file }) => isolate(file.name));
      const language = this.firstElement.config.language || undefined;
      const name = new Intl.ListFormat(language, { type: "conjunction" }).format(names);
      return this.firstElement.text(key, { name, ...values });
    }
  }

  const isStillChosen = ({ element, file }) =>
    element.isConnected && element.fileInput.files[0] === file;

  const errorsIn = (element) => {
    try {
      const errors = [JSON.parse(element.dataset.errors ?? "[]")].flat();
      return errors.filter((error) => typeof error === "string");
    } catch {
      return []; // The element was not rendered by the widget of this package.
    }
  };

  // form.action is not used, because an input with the name "action" would replace it.
  const attributeOf = (form, submitter, name) =>
    submitter?.getAttribute(`form${name}`) || form.getAttribute(name) || "";

  const actionOf = (form, submitter) => {
    const url = new URL(attributeOf(form, submitter, "action") || location.href, document.baseURI);
    url.hash = "";
    return url;
  };

  /** Return whether the form posts files to this site, and the response replaces this page. */
  const isSupported = (form, submitter) =>
    attributeOf(form, submitter, "method").toLowerCase() === "post" &&
    attributeOf(form, submitter, "enctype").toLowerCase() === "multipart/form-data" &&
    ["", "_self"].includes(attributeOf(form, submitter, "target")) &&
    actionOf(form, submitter).origin === location.origin;

  const elementsOf = (form) =>
    [...document.querySelectorAll(TAG)].filter((element) => element.fileInput?.form === form);

  /**
   * Submit the form, which contains tokens in place of its files now.
   *
   * Its submit event has been dispatched already, and the page's own handler, for example one
   * against double clicks, might cancel a second one. Therefore, requestSubmit() is not used, and
   * the form temporarily gets the name, value, and attributes of the button.
   */
  const submitForm = (form, submitter) => {
    const isValidated = !(form.noValidate || submitter?.formNoValidate);
    if (isValidated && !form.reportValidity()) return; // A field was changed during the upload.
    const { name = "", value = "" } = submitter ?? {};
    // An input without a name is not submitted.
    const buttonInput = createElement("input", { type: "hidden", name, value });
    const attributes = {
      action: actionOf(form, submitter).href,
      method: "post",
      enctype: "multipart/form-data",
      target: attributeOf(form, submitter, "target"),
    };
    const original = Object.keys(attributes).map((key) => [key, form.getAttribute(key)]);
    form.append(buttonInput);
    for (const [key, text] of Object.entries(attributes)) setOrRemoveAttribute(form, key, text);
    HTMLFormElement.prototype.submit.call(form);
    buttonInput.remove(); // Otherwise, it would be submitted with another button, too.
    for (const [key, text] of original) setOrRemoveAttribute(form, key, text);
  };

  /** Upload the files of the form before it is submitted. Return whether there are any. */
  const uploadFiles = (form, submitter) => {
    const elements = elementsOf(form).filter((element) => element.needsUpload);
    if (!elements.length || plainForms.has(form)) return false;
    const stopped = uploadRequests.get(form);
    if (stopped) stopped.resume(submitter);
    else new UploadRequest(form, submitter, elements).send();
    return true;
  };

  const preparationsOf = (form) =>
    elementsOf(form).flatMap((element) => element.preparation ?? []);

  /**
   * Submit the form when its files have been prepared.
   *
   * Do not submit it if one of them is rejected, removed, or replaced in the meantime.
   */
  const submitPreparedForm = async (form, submitter) => {
    waitingForms.add(form);
    let isAccepted = true;
    // Another file may be chosen while the first one is prepared.
    for (let all; isAccepted && (all = preparationsOf(form)).length; ) {
      isAccepted = (await Promise.allSettled(all)).every(({ value }) => value);
    }
    const isCurrent = waitingForms.delete(form);
    if (isAccepted && isCurrent) {
      if (!uploadFiles(form, submitter)) submitForm(form, submitter);
      return;
    }
    // The page's own script may have disabled the button, because it expects a new page.
    if (submitter) submitter.disabled = false;
    elementsOf(form).find((element) => element.error.textContent)?.fileInput.focus();
  };

  const handleSubmit = (event) => {
    const { target: form, submitter } = event;
    const running = uploadRequests.get(form);
    if (waitingForms.has(form) || (running && !running.isStopped)) event.preventDefault();
    if (event.defaultPrevented || !isSupported(form, submitter)) return;
    if (preparationsOf(form).length) {
      event.preventDefault();
      submitPreparedForm(form, submitter);
    } else if (uploadFiles(form, submitter)) event.preventDefault();
  };

  // The reset event is dispatched before the browser resets the inputs.
  const handleReset = ({ target: form }) =>
    setTimeout(() => elementsOf(form).forEach((element) => element.reset()));

  // A page in the back/forward cache must not submit a form when it is displayed again.
  const stopUploads = () => {
    waitingForms.clear();
    uploadRequests.forEach((request) => request.stop());
  };

  const handlePageShow = ({ persisted }) => {
    if (persisted) stopUploads();
    document.querySelectorAll(TAG).forEach((element) => element.showRestoredFile());
  };

  document.addEventListener("submit", handleSubmit);
  document.addEventListener("reset", handleReset);
  window.addEventListener("pagehide", stopUploads);
  window.addEventListener("pageshow", handlePageShow);

  customElements.define(TAG, GroupMeImageInput);
}
