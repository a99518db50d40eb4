"use strict";

/*
 * <groupme-image-input>: the part of the widget that needs JavaScript.
 *
 * The server's markup works without it. The script accepts images that are dropped or
 * pasted, shows a preview, rejects files that the server would reject, and uploads the
 * images in a request of their own before it submits the form, so that it can show the
 * progress. widgets.py describes that request.
 *
 * The script works under a strict Content-Security-Policy: it has no inline style and no
 * blob: or data: image. It reads values from a response, and never inserts its markup.
 */
if (!customElements.get("groupme-image-input")) {
  const TAG = "groupme-image-input";
  const PREVIEW = 400; // pixels; twice what the style sheet shows, for dense screens
  const REPORT_DELAY = 300; // milliseconds; browsers report the progress of an upload every 100

  // The first bytes of each format. Formats that are not listed here are left to the server.
  const BEGINNINGS = {
    jpeg: /^\xff\xd8\xff/,
    png: /^\x89PNG\r\n\x1a\n/,
    gif: /^GIF8[79]a/,
    webp: /^RIFF.{4}WEBP/s,
    bmp: /^BM/,
    avif: /^.{4}ftyp(avi|mi[af]|msf)/s,
    heic: /^.{4}ftyp(he|mif|msf)/s,
  };

  const uploads = new Map(); // the UploadRequest of each form that has one running
  const plainForms = new WeakSet(); // forms that are submitted as they are without this script
  let count = 0;

  // The direction of a file name may differ from that of the sentence around it.
  const isolated = (name) => `\u2068${name}\u2069`;

  const make = (tag, attributes, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  };

  const setOrRemove = (element, name, value) =>
    value ? element.setAttribute(name, value) : element.removeAttribute(name);

  class GroupMeImageInput extends HTMLElement {
    connectedCallback() {
      if (this.input) return; // the element was moved within the document
      this.input = this.querySelector("input[type=file]");
      if (this.input) this.start();
      // The parser may not have reached the input yet.
      else document.addEventListener("DOMContentLoaded", () => this.connectedCallback());
    }

    start() {
      this.data = JSON.parse(this.dataset.script);
      this.address = this.querySelector("input[type=url]"); // null if URLs are not allowed
      this.clear = this.querySelector("input[type=checkbox]");
      this.uploaded = this.querySelector("input[type=hidden]"); // the signed value of an upload
      this.uploadedBefore = this.uploaded.value;
      this.uploaded.autocomplete = "off"; // or a browser restores an image that is not shown
      this.describedBy = this.input.getAttribute("aria-describedby");
      this.turn = 0; // the number of choices so far, to recognize outdated asynchronous results
      this.build();
      this.addEventListener("change", (event) => this.changed(event.target));
      this.addEventListener("paste", (event) => this.pasted(event));
      this.addEventListener("dragover", (event) => this.dragged(event));
      this.addEventListener("dragleave", (event) => this.left(event));
      this.addEventListener("drop", (event) => this.dropped(event));
      this.refresh();
    }

    build() {
      // The admin adds a row by copying one, including the elements that were built in it.
      this.querySelector(".groupme-script")?.remove();
      const { hint, remove, stop } = this.data.texts;
      this.canvas = make("canvas", { role: "img", hidden: "" });
      this.description = make("span", { role: "status" });
      this.removeButton = make("button", { type: "button", hidden: "" }, remove);
      this.progress = make("progress", { max: 1 });
      this.stopButton = make("button", { type: "button" }, stop);
      const bar = [this.progress, this.stopButton];
      this.sending = make("span", { class: "groupme-sending", hidden: "" }, ...bar);
      this.status = make("span", { role: "status" });
      this.error = make("span", { role: "alert", id: `groupme-image-input-${++count}` });
      this.removeButton.addEventListener("click", () => this.withdraw());
      this.stopButton.addEventListener("click", () => this.upload?.stop());
      const text = make("span", {}, this.description, this.removeButton);
      const built = [
        make("span", { class: "groupme-hint" }, hint),
        make("span", { class: "groupme-chosen" }, this.canvas, text),
        this.sending,
        this.status,
        this.error,
      ];
      this.input.parentElement.after(make("span", { class: "groupme-script" }, ...built));
      // The label of the field, if it has one, distinguishes this image from others on the page.
      const [label, ...others] = this.input.labels;
      if (others.length) {
        this.setAttribute("role", "group");
        this.setAttribute("aria-label", label.textContent.trim().replace(/:$/, ""));
      }
    }

    /** Show the file that the browser restored after a reload or a history navigation. */
    refresh() {
      if (this.input?.files.length && !this.name) this.fileChanged();
    }

    /** The running upload request of the form, if there is one. */
    get upload() {
      return uploads.get(this.input.form);
    }

    /** Whether the chosen file has to be uploaded before the form is submitted. */
    get needsUpload() {
      const { input } = this;
      return this.data.ahead && input.files.length && !input.matches(":disabled") && !this.isDeleted;
    }

    /** Whether the row of the formset is marked for deletion. The server ignores its file then. */
    get isDeleted() {
      const prefix = this.input.name.slice(0, this.input.name.lastIndexOf("-") + 1);
      const boxes = [...document.getElementsByName(`${prefix}DELETE`)];
      return boxes.some((box) => box.form === this.input.form && box.checked);
    }

    changed(target) {
      if (target === this.input) this.fileChanged();
      else if (target === this.address && target.value) this.replaced({ by: this.address });
      else if (target === this.clear && target.checked) this.replaced({ by: this.clear });
    }

    async fileChanged() {
      const turn = ++this.turn;
      const file = this.input.files[0];
      if (!file) return this.forget();
      const reason = await this.reasonAgainst(file);
      if (turn !== this.turn) return;
      if (reason) {
        this.put(this.file); // the previous choice stays
        this.complain(reason);
        return;
      }
      this.say("");
      this.upload?.discardReplaced();
      if (this.address?.value) this.say(this.text("notAddressed"));
      this.file = file;
      this.name = file.name;
      this.uploaded.value = this.uploadedBefore;
      this.replaced({ by: this.input });
      await this.show(file, turn);
    }

    /** Keep only the latest of a file, a URL, and the checkbox that clears the image. */
    replaced({ by }) {
      this.complain("");
      if (this.address && by !== this.address) this.address.value = "";
      if (by !== this.clear && this.clear) this.clear.checked = false;
      if (by !== this.input && this.name) this.withdraw();
    }

    /** The reason why the server would reject the file, or an empty string. */
    async reasonAgainst(file) {
      const { formats, formatsText, limit } = this.data;
      const name = isolated(file.name);
      if (!file.size) return this.text("empty", { name });
      if (limit !== null && file.size > limit) {
        // Rounded, two different sizes can look the same.
        const unit = this.size(file.size) === this.size(limit) ? "byte" : undefined;
        const [size, most] = [this.size(file.size, unit), this.size(limit, unit)];
        return this.text("tooLarge", { name, size, limit: most });
      }
      const bytes = new Uint8Array(await file.slice(0, 16).arrayBuffer());
      const start = String.fromCharCode(...bytes);
      const isKnown = formats.some((format) => BEGINNINGS[format]?.test(start) ?? true);
      return isKnown ? "" : this.text("wrongType", { name, formats: formatsText });
    }

    async show(file, turn) {
      const picture = await createImageBitmap(file).catch(() => null);
      if (turn === this.turn) {
        if (picture) this.draw(picture);
        this.canvas.hidden = !picture;
        this.removeButton.hidden = false;
        this.description.textContent = this.text(picture ? "chosen" : "unreadable", {
          width: picture && this.number(picture.width),
          height: picture && this.number(picture.height),
          size: this.size(file.size),
        });
      }
      picture?.close();
    }

    draw(picture) {
      const scale = Math.min(1, PREVIEW / Math.max(picture.width, picture.height));
      const canvas = this.canvas;
      canvas.width = Math.max(1, Math.round(picture.width * scale));
      canvas.height = Math.max(1, Math.round(picture.height * scale));
      canvas.setAttribute("aria-label", this.text("preview"));
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    }

    /** Restore the state before a file was chosen. */
    forget() {
      this.turn++;
      this.file = this.name = null;
      this.input.value = "";
      this.upload?.discardReplaced();
      this.uploaded.value = this.uploadedBefore;
      this.canvas.hidden = this.removeButton.hidden = true;
      this.description.textContent = "";
      this.complain("");
      this.say("");
    }

    withdraw() {
      const text = this.text("removed");
      const hadFocus = document.activeElement === this.removeButton;
      this.forget();
      this.say(text);
      if (hadFocus) this.input.focus(); // because the button is hidden now
    }

    put(file) {
      const list = new DataTransfer();
      if (file) list.items.add(file);
      this.input.files = list.files;
    }

    pasted(event) {
      const data = event.clipboardData;
      if (event.target === this.address && data.getData("text/plain")) return;
      if (this.receive(data)) event.preventDefault();
    }

    dragged(event) {
      const { dataTransfer: data } = event;
      const isFile = data.types.includes("Files");
      if (!isFile && !data.types.includes("text/uri-list")) return;
      event.preventDefault(); // or the browser may leave the page for the URL
      const isAccepted = isFile || Boolean(this.address);
      data.dropEffect = isAccepted ? "copy" : "none";
      this.classList.toggle("groupme-dragged", isAccepted);
    }

    left(event) {
      if (!this.contains(event.relatedTarget)) this.classList.remove("groupme-dragged");
    }

    dropped(event) {
      if (!this.classList.contains("groupme-dragged")) return;
      event.preventDefault(); // or the browser leaves the page for the file or URL
      this.classList.remove("groupme-dragged");
      this.receive(event.dataTransfer);
    }

    /** Accept the first file, or else a URL. Return whether there was one. */
    receive(data) {
      const address = (data.getData("text/uri-list") || data.getData("text/plain")).trim();
      const isFile = data.files.length > 0;
      if (this.input.matches(":disabled")) return false;
      if (!isFile && !(this.address && /^https?:\/\/\S+$/i.test(address))) return false;
      if (isFile) this.put(data.files[0]);
      else this.address.value = address;
      const target = isFile ? this.input : this.address;
      target.dispatchEvent(new Event("change", { bubbles: true }));
      if (!isFile) this.say(`${this.text("addressed")} ${this.status.textContent}`);
      return true;
    }

    /** Keep the signed value of the uploaded image in place of its file. */
    keep(signedValue) {
      this.uploaded.value = signedValue;
      this.input.value = "";
      this.file = null;
    }

    say(text) {
      this.status.textContent = text;
    }

    complain(text, ...links) {
      this.error.replaceChildren(text, ...links);
      const ids = [this.describedBy, text && this.error.id].filter(Boolean).join(" ");
      setOrRemove(this.input, "aria-describedby", ids);
      setOrRemove(this.input, "aria-invalid", text && "true");
    }

    text(key, values) {
      const all = { name: isolated(this.name), ...values };
      return this.data.texts[key].replace(/\{(\w+)\}/g, (_, name) => all[name]);
    }

    number(value, options) {
      return new Intl.NumberFormat(this.data.language || undefined, options).format(value);
    }

    /** A file size for people, in multiples of 1024 bytes as in Django. */
    size(bytes, unit = bytes < 1024 ? "byte" : bytes < 1024 ** 2 ? "kilobyte" : "megabyte") {
      return this.number(bytes / { byte: 1, kilobyte: 1024, megabyte: 1024 ** 2 }[unit], {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        maximumFractionDigits: unit === "megabyte" ? 1 : 0,
      });
    }
  }

  /**
   * The request that uploads the images of a form, before the form itself is submitted.
   *
   * The server never accepts a form in this request: it responds with the form again, which
   * contains a signed value for each uploaded image, or errors.
   *
   * Stop aborts the request if its body has not been sent yet. Afterwards, an abort would not
   * keep the server from uploading the images. The request continues in the background then,
   * and its results are kept for the files that are still chosen. If the form is submitted
   * again in the meantime, it waits for this request, so that no image is uploaded twice.
   */
  class UploadRequest {
    constructor(form, submitter, elements) {
      Object.assign(this, { form, submitter });
      this.isPartlySent = this.isSent = this.isStopped = false;
      this.url = actionOf(form, submitter).href;
      this.images = elements.map((element) => {
        // The admin may rename the input meanwhile, when another row is removed.
        return { element, file: element.input.files[0], inputName: element.input.name };
      });
    }

    start() {
      const request = (this.request = new XMLHttpRequest()); // fetch() reports no upload progress
      request.open("POST", this.url);
      request.responseType = "document"; // inert: it runs no script and loads no image
      request.upload.onprogress = ({ loaded, total }) => this.advanced(loaded / total);
      request.upload.onload = () => this.sent();
      request.onload = () => this.responded();
      request.onerror = () => this.failed();
      request.send(this.content());
      uploads.set(this.form, this);
      this.show();
    }

    content() {
      const data = new FormData(this.form, this.submitter);
      const names = this.images.map(({ inputName }) => inputName);
      for (const [name, value] of [...data]) {
        if (value instanceof File && !names.includes(name)) data.delete(name);
      }
      // The response would contain the value of an earlier upload as if it were of this one.
      for (const { element } of this.images) data.delete(element.uploaded.name);
      data.set(this.host.data.ahead, "1");
      return data;
    }

    /** The element that shows the progress, for all images of the request. */
    get host() {
      return this.images[0].element;
    }

    show() {
      const { host } = this;
      for (const { element } of this.images) element.complain("");
      host.progress.setAttribute("aria-label", this.text("sending"));
      host.say(this.text("sending"));
      this.showProgress(0);
      host.sending.hidden = false;
      // A fast upload should not scroll the page, because a double click would miss the button.
      this.timer = setTimeout(() => host.sending.scrollIntoView({ block: "nearest" }), 700);
    }

    showProgress(part) {
      this.host.progress.value = part;
    }

    /** The browser reports that this part of the body has been sent. */
    advanced(part) {
      this.isPartlySent = part < 1;
      if (!this.isStopped) this.showProgress(part);
      else if (this.isPartlySent) this.abort();
    }

    sent() {
      this.isSent = true;
      if (this.isStopped) this.sayStopped();
      else this.showWaiting();
    }

    showWaiting() {
      this.host.progress.removeAttribute("value");
      this.host.say(this.text("waiting"));
    }

    hide() {
      const { host } = this;
      // The page's own script may have disabled the button, expecting that the page is left.
      if (this.submitter) this.submitter.disabled = false;
      const hadFocus = document.activeElement === host.stopButton;
      host.sending.hidden = true;
      host.say("");
      if (hadFocus) host.input.focus(); // because the button is hidden now
    }

    stop() {
      if (this.isStopped) return;
      this.hide();
      this.isStopped = true;
      this.sayStopped();
      if (this.isPartlySent) this.abort();
    }

    sayStopped() {
      clearTimeout(this.timer);
      this.host.say(this.text(this.isSent ? "stoppedLate" : "stopped"));
      // Before the first report, a small body may have been sent already.
      if (!this.isSent) this.timer = setTimeout(() => this.abort(), REPORT_DELAY);
    }

    abort() {
      this.request.abort();
      this.finish();
    }

    /** Submit the form once this request, which was stopped, has its response. */
    resume(submitter) {
      clearTimeout(this.timer);
      Object.assign(this, { submitter, isStopped: false });
      this.show();
      if (this.isSent) this.showWaiting();
    }

    /** Discard the images whose files have been removed or replaced. */
    discardReplaced() {
      const images = this.images.filter(isStillChosen);
      if (images.length === this.images.length) return;
      this.stop();
      if (images.length) this.images = images;
      else this.abort();
    }

    finish() {
      clearTimeout(this.timer);
      uploads.delete(this.form);
      if (!this.isStopped) this.hide();
    }

    responded() {
      this.finish();
      this.images = this.images.filter(isStillChosen);
      if (!this.images.length) return;
      const results = this.images.map((image) => ({ ...image, ...this.resultOf(image) }));
      if (!results.some(({ errors }) => errors)) return this.respondedOtherwise();
      const rejected = results.filter((result) => !this.apply(result));
      if (this.isStopped) return;
      if (rejected.length) rejected[0].element.input.focus();
      // Files without a result are submitted with the form.
      else submitNow(this.form, this.submitter);
    }

    /** What the response contains for an image, if it is the form again, with the same names. */
    resultOf({ inputName }) {
      const { response, responseURL } = this.request;
      if (!response || new URL(responseURL, location).origin !== location.origin) return null;
      return [...response.querySelectorAll(TAG)]
        .filter((other) => other.querySelector("input[type=file]")?.name === inputName)
        .map((other) => ({
          signedValue: other.querySelector("input[type=hidden]")?.value,
          errors: errorsIn(other),
        }))
        .find(({ signedValue, errors }) => signedValue || errors.length);
    }

    /** Keep an uploaded image, or show its errors. Return whether the form can be submitted. */
    apply({ element, signedValue, errors }) {
      if (signedValue) {
        element.keep(signedValue);
        if (this.isStopped) element.say(element.text("uploaded"));
      } else if (errors && !this.isStopped) element.complain(errors.join(" "));
      return Boolean(signedValue || !errors);
    }

    /**
     * Handle a response that is not this form.
     *
     * A view that ignores whether the form is valid may have accepted it in this request.
     * Therefore, the script does not submit it again by itself, and the response is neither
     * shown nor repeated: its URL is opened, or offered as a link.
     */
    respondedOtherwise() {
      const { status, responseURL } = this.request;
      const isRedirected = Boolean(responseURL) && responseURL !== this.url;
      const isTooLarge = status === 413;
      const isError = isTooLarge || (status >= 400 && !isRedirected);
      // Submitted again without the script, the form leads to the site's own page, such as a login.
      if (!isTooLarge && status < 500) plainForms.add(this.form);
      if (isError) this.complain(isTooLarge ? "tooLargeForSite" : "failed", { status });
      else if (isRedirected && !this.isStopped) location.assign(responseURL);
      else {
        const link = make("a", { href: responseURL || this.url }, this.text("openPage"));
        this.host.complain(this.text("otherPage"), " ", link);
      }
    }

    /** There is no response, or one that the script must not read. */
    failed() {
      this.finish();
      // The site may redirect to another site, where only a submitted form can follow.
      if (navigator.onLine && !this.isStopped) plainForms.add(this.form);
      this.complain("broken");
    }

    complain(key, values) {
      if (!this.isStopped) this.host.complain(this.text(key, values));
    }

    text(key, values) {
      const names = this.images.map(({ file }) => isolated(file.name));
      const language = this.host.data.language || undefined;
      const name = new Intl.ListFormat(language, { type: "conjunction" }).format(names);
      return this.host.text(key, { name, ...values });
    }
  }

  const isStillChosen = ({ element, file }) =>
    element.isConnected && element.input.files[0] === file;

  const errorsIn = (element) => {
    try {
      const errors = [JSON.parse(element.dataset.errors ?? "[]")].flat();
      return errors.filter((error) => typeof error === "string");
    } catch {
      return []; // because the element is not rendered by our widget
    }
  };

  // An input named "action" or "method" hides the form's own property.
  const attributeOf = (form, submitter, name) =>
    submitter?.getAttribute(`form${name}`) || form.getAttribute(name) || "";

  const actionOf = (form, submitter) => {
    const url = new URL(attributeOf(form, submitter, "action") || location.href, document.baseURI);
    url.hash = "";
    return url;
  };

  /** Whether the form posts files to this site, and the response replaces this page. */
  const isOurs = (form, submitter) =>
    attributeOf(form, submitter, "method").toLowerCase() === "post" &&
    attributeOf(form, submitter, "enctype").toLowerCase() === "multipart/form-data" &&
    ["", "_self"].includes(attributeOf(form, submitter, "target")) &&
    actionOf(form, submitter).origin === location.origin;

  const elementsOf = (form) =>
    [...document.querySelectorAll(TAG)].filter((element) => element.input?.form === form);

  /**
   * Submit the form, which contains signed values in place of its files now.
   *
   * Its submit event has been dispatched already. The page's own handler, for example one
   * against double clicks, might cancel a second one. Therefore, requestSubmit() is not used,
   * and everything that the button contributes is set here for the moment.
   */
  const submitNow = (form, submitter) => {
    const isChecked = !(form.noValidate || submitter?.formNoValidate);
    if (isChecked && !form.reportValidity()) return; // a field was changed during the upload
    const { name = "", value = "" } = submitter ?? {};
    const added = make("input", { type: "hidden", name, value }); // ignored without a name
    const attributes = {
      action: actionOf(form, submitter).href,
      method: "post",
      enctype: "multipart/form-data",
      target: attributeOf(form, submitter, "target"),
    };
    const before = Object.keys(attributes).map((key) => [key, form.getAttribute(key)]);
    form.append(added);
    for (const [key, text] of Object.entries(attributes)) setOrRemove(form, key, text);
    HTMLFormElement.prototype.submit.call(form);
    added.remove(); // or another button would submit it, too
    for (const [key, text] of before) setOrRemove(form, key, text);
  };

  const submitted = (event) => {
    const { target: form, submitter } = event;
    const running = uploads.get(form);
    if (running && !running.isStopped) event.preventDefault();
    if (event.defaultPrevented || plainForms.has(form) || !isOurs(form, submitter)) return;
    const elements = elementsOf(form).filter((element) => element.needsUpload);
    if (!elements.length) return;
    event.preventDefault();
    if (running) running.resume(submitter);
    else new UploadRequest(form, submitter, elements).start();
  };

  const reset = ({ target: form }) =>
    setTimeout(() => elementsOf(form).forEach((element) => element.forget()));

  // A page in the back/forward cache must not submit a form when it is shown again.
  const stopAll = () => uploads.forEach((upload) => upload.stop());

  const pageShown = ({ persisted }) => {
    if (persisted) stopAll();
    document.querySelectorAll(TAG).forEach((element) => element.refresh());
  };

  document.addEventListener("submit", submitted);
  document.addEventListener("reset", reset);
  window.addEventListener("pagehide", stopAll);
  window.addEventListener("pageshow", pageShown);

  customElements.define(TAG, GroupMeImageInput);
}
