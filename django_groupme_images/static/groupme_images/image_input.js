"use strict";

/*
 * <groupme-image-input>: what a browser adds to the inputs of a picture.
 *
 * The server's markup works without it. The script takes what is dropped or pasted, shows
 * it, refuses at once what the server would refuse, and sends a form once ahead of itself,
 * as widgets.py describes, to show how far a slow upload is.
 *
 * It lives with a strict Content-Security-Policy: no inline style, no blob: or data: image.
 */
if (!customElements.get("groupme-image-input")) {
  const TAG = "groupme-image-input";
  const PREVIEW = 400; // pixels; twice what the style sheet shows, for dense screens

  // How files of a format begin. What is not listed here is left for the server to judge.
  const BEGINNINGS = {
    jpeg: /^\xff\xd8\xff/,
    png: /^\x89PNG\r\n\x1a\n/,
    gif: /^GIF8[79]a/,
    webp: /^RIFF.{4}WEBP/s,
    bmp: /^BM/,
    avif: /^.{4}ftyp(avi|mi[af]|msf)/s,
    heic: /^.{4}ftyp(he|mif|msf)/s,
  };

  const sendings = new Map(); // by form, while it is sent ahead
  const sentPlainly = new WeakSet(); // forms that are sent as they are without this script
  let count = 0;

  // A name may run in the other direction than the sentence that it stands in.
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
      listen();
      if (this.input) return; // it was moved
      this.input = this.querySelector("input[type=file]");
      if (this.input) this.start();
      // Else the parser has not come to it yet.
      else document.addEventListener("DOMContentLoaded", () => this.connectedCallback());
    }

    start() {
      this.data = JSON.parse(this.dataset.script);
      this.address = this.querySelector("input[type=url]");
      this.clear = this.querySelector("input[type=checkbox]");
      this.carried = this.querySelector("input[type=hidden]");
      this.carriedBefore = this.carried.value;
      this.carried.autocomplete = "off"; // no browser brings back a picture that is not shown
      this.describedBy = this.input.getAttribute("aria-describedby");
      this.turn = 0; // counts what was chosen, to tell what is out of date
      this.build();
      this.addEventListener("change", (event) => this.changed(event.target));
      this.addEventListener("paste", (event) => this.pasted(event));
      this.addEventListener("dragover", (event) => this.dragged(event));
      this.addEventListener("dragleave", (event) => this.left(event));
      this.addEventListener("drop", (event) => this.dropped(event));
      this.refresh();
    }

    build() {
      // The admin makes a row by copying one, and with it what was built there.
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
      this.stopButton.addEventListener("click", () => this.stopSending());
      const text = make("span", {}, this.description, this.removeButton);
      const built = [
        make("span", { class: "groupme-hint" }, hint),
        make("span", { class: "groupme-chosen" }, this.canvas, text),
        this.sending,
        this.status,
        this.error,
      ];
      this.input.parentElement.after(make("span", { class: "groupme-script" }, ...built));
      // The field's own label, if it has one, says which of a page's pictures this is.
      const [label, ...others] = this.input.labels;
      if (others.length) {
        this.setAttribute("role", "group");
        this.setAttribute("aria-label", label.textContent.trim().replace(/:$/, ""));
      }
    }

    /** Show what the browser itself put into the input, on the way back or after a reload. */
    refresh() {
      if (this.input?.files.length && !this.name) this.fileChanged();
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
        this.put(this.file); // what was chosen before stays
        this.complain(reason);
        return;
      }
      this.stopSending();
      this.say(this.address.value && this.text("notAddressed"));
      this.file = file;
      this.name = file.name;
      this.carried.value = this.carriedBefore;
      this.replaced({ by: this.input });
      await this.show(file, turn);
    }

    /** Only one of a file, an address, and no picture at all can be meant: the latest. */
    replaced({ by }) {
      this.complain("");
      if (by !== this.address) this.address.value = "";
      if (by !== this.clear && this.clear) this.clear.checked = false;
      if (by !== this.input && this.name) this.withdraw();
    }

    /** Why the server would refuse the file, or nothing. */
    async reasonAgainst(file) {
      const { formats, formatsText, limit } = this.data;
      const name = isolated(file.name);
      if (!file.size) return this.text("empty", { name });
      if (limit !== null && file.size > limit) {
        // Two sizes that differ should not read the same.
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

    /** Be as before a file was chosen. */
    forget() {
      this.turn++;
      this.file = this.name = null;
      this.input.value = "";
      this.carried.value = this.carriedBefore;
      this.canvas.hidden = this.removeButton.hidden = true;
      this.description.textContent = "";
      this.complain("");
      this.say("");
    }

    withdraw() {
      const text = this.text("removed");
      const hadFocus = document.activeElement === this.removeButton;
      this.stopSending();
      this.forget();
      this.say(text);
      if (hadFocus) this.input.focus(); // the button is gone
    }

    stopSending() {
      sendings.get(this.input.form)?.stop();
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
      if (!data.types.includes("Files") && !data.types.includes("text/uri-list")) return;
      event.preventDefault();
      data.dropEffect = "copy";
      this.classList.add("groupme-dragged");
    }

    left(event) {
      if (!this.contains(event.relatedTarget)) this.classList.remove("groupme-dragged");
    }

    dropped(event) {
      if (!this.classList.contains("groupme-dragged")) return;
      event.preventDefault(); // or the browser would leave the page for what was dropped
      this.classList.remove("groupme-dragged");
      this.receive(event.dataTransfer);
    }

    /** Take the first file, or else an address. Whether there was one. */
    receive(data) {
      const address = (data.getData("text/uri-list") || data.getData("text/plain")).trim();
      const isFile = data.files.length > 0;
      if (this.input.matches(":disabled")) return false;
      if (!isFile && !/^https?:\/\/\S+$/i.test(address)) return false;
      if (isFile) this.put(data.files[0]);
      else this.address.value = address;
      const target = isFile ? this.input : this.address;
      target.dispatchEvent(new Event("change", { bubbles: true }));
      if (!isFile) this.say(`${this.text("addressed")} ${this.status.textContent}`);
      return true;
    }

    /** Whether the picture was uploaded. */
    answered({ carried, errors }) {
      if (carried) {
        this.carried.value = carried;
        this.input.value = "";
        this.file = null;
      } else this.complain(errors.join(" "));
      return Boolean(carried);
    }

    say(text) {
      this.status.textContent = text;
    }

    complain(text) {
      this.error.textContent = text;
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

    /** A size in words, in steps of 1024 as Django counts. */
    size(bytes, unit = bytes < 1024 ? "byte" : bytes < 1024 ** 2 ? "kilobyte" : "megabyte") {
      return this.number(bytes / { byte: 1, kilobyte: 1024, megabyte: 1024 ** 2 }[unit], {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        maximumFractionDigits: unit === "megabyte" ? 1 : 0,
      });
    }
  }

  /** A form that is sent ahead, with the elements whose files it has. */
  class Sending {
    constructor(form, submitter, elements) {
      Object.assign(this, { form, submitter, elements });
      this.url = addressOf(form, submitter).href;
      this.host = elements[0]; // shows how far it is, for all of them
      this.inputNames = elements.map((element) => element.input.name);
      const fileNames = elements.map((element) => isolated(element.input.files[0].name));
      const style = { type: "conjunction" };
      const list = new Intl.ListFormat(this.host.data.language || undefined, style);
      this.name = list.format(fileNames);
    }

    start() {
      const request = (this.request = new XMLHttpRequest());
      request.open("POST", this.url);
      request.responseType = "document"; // parsed, but nothing in it is run
      request.upload.onprogress = ({ loaded, total }) => this.advanced(loaded / total);
      request.upload.onload = () => this.arrived();
      request.onload = () => this.answered();
      request.onerror = () => this.broken();
      request.send(this.content());
      sendings.set(this.form, this);
      for (const element of this.elements) element.complain("");
      this.host.progress.setAttribute("aria-label", this.text("sending"));
      this.host.say(this.text("sending"));
      this.advanced(0);
      this.host.sending.hidden = false;
      // Not at once: what is sent fast should not move the page, least under a double click.
      this.timer = setTimeout(() => this.host.sending.scrollIntoView({ block: "nearest" }), 700);
    }

    content() {
      const data = new FormData(this.form, this.submitter);
      for (const [name, value] of [...data]) {
        if (value instanceof File && !this.inputNames.includes(name)) data.delete(name);
      }
      // What was uploaded before would come back as if it had been uploaded now.
      for (const element of this.elements) data.delete(element.carried.name);
      data.set(this.host.data.ahead, "1");
      return data;
    }

    advanced(part) {
      this.host.progress.value = part;
    }

    arrived() {
      this.host.progress.removeAttribute("value");
      this.host.say(this.text("waiting"));
    }

    answered() {
      this.end();
      const answers = this.elements.map((element, index) => this.answerTo(element, index));
      if (!answers.some(Boolean)) return this.elsewhere();
      const refused = this.elements.filter(
        (element, index) => answers[index] && !element.answered(answers[index]),
      );
      if (refused.length) refused[0].input.focus();
      // What has no answer, such as a row that is to be deleted, goes along as it is.
      else this.pass();
    }

    /** What the answer says of an element, if it is the form again, with the same names. */
    answerTo(element, index) {
      if (!element.isConnected) return null;
      return [...(this.request.response?.querySelectorAll(TAG) ?? [])]
        .filter((other) => other.querySelector("input[type=file]")?.name === this.inputNames[index])
        .map((other) => ({
          carried: other.querySelector("input[type=hidden]")?.value,
          errors: JSON.parse(other.dataset.errors ?? "[]"),
        }))
        .find(({ carried, errors }) => carried || errors.length);
    }

    /**
     * Send the form for good. It holds signed pictures now, where the files were.
     *
     * Its submit event was had already, and a page's own handler, such as one against double
     * clicks, would not let a second one pass. So what the button adds is added here.
     */
    pass() {
      const { form, submitter } = this;
      const isChecked = !(form.noValidate || submitter?.formNoValidate);
      if (isChecked && !form.reportValidity()) return; // it was changed meanwhile
      const action = form.getAttribute("action");
      const { name = "", value = "" } = submitter ?? {};
      const added = make("input", { type: "hidden", name, value }); // without a name, nothing
      form.append(added);
      form.setAttribute("action", this.url);
      HTMLFormElement.prototype.submit.call(form);
      added.remove(); // or it would go along when the form is sent again, by another button
      if (action === null) form.removeAttribute("action");
      else form.setAttribute("action", action);
    }

    /** The answer is not this form. Whatever it is, the form must not be sent twice. */
    elsewhere() {
      const { status, responseURL, response } = this.request;
      if (responseURL !== this.url) location.assign(responseURL);
      else if (status === 413) this.host.complain(this.text("tooLargeForSite"));
      else if (status >= 400 || !response) this.host.complain(this.text("failed", { status }));
      else {
        history.replaceState(null, "", this.url);
        document.open();
        document.write(`<!doctype html>${response.documentElement.outerHTML}`);
        document.close();
      }
    }

    broken() {
      this.end();
      this.host.complain(this.text("broken"));
      // The site may have sent it on to another one, where only the form itself may go.
      if (navigator.onLine) sentPlainly.add(this.form);
    }

    stop() {
      this.request.abort();
      this.end();
      this.host.say(this.text("stopped"));
    }

    end() {
      clearTimeout(this.timer);
      // It was pressed, so it was the page that disabled it, which counts on leaving.
      if (this.submitter) this.submitter.disabled = false;
      sendings.delete(this.form);
      const hadFocus = document.activeElement === this.host.stopButton;
      this.host.sending.hidden = true;
      this.host.say("");
      if (hadFocus) this.host.input.focus(); // the button is gone
    }

    text(key, values) {
      return this.host.text(key, { name: this.name, ...values });
    }
  }

  // An input named "action" or "method" hides the form's own property.
  const attributeOf = (form, submitter, name) =>
    submitter?.getAttribute(`form${name}`) || form.getAttribute(name) || "";

  const addressOf = (form, submitter) => {
    const url = new URL(attributeOf(form, submitter, "action") || location.href, document.baseURI);
    url.hash = "";
    return url;
  };

  /** Whether the form takes files to this site, and shows the answer in place of this page. */
  const isOurs = (form, submitter) =>
    attributeOf(form, submitter, "method").toLowerCase() === "post" &&
    attributeOf(form, submitter, "enctype").toLowerCase() === "multipart/form-data" &&
    ["", "_self"].includes(attributeOf(form, submitter, "target")) &&
    addressOf(form, submitter).origin === location.origin;

  const elementsOf = (form) =>
    [...document.querySelectorAll(TAG)].filter((element) => element.input?.form === form);

  const submitted = (event) => {
    const { target: form, submitter } = event;
    if (sendings.has(form)) event.preventDefault();
    if (event.defaultPrevented || sentPlainly.has(form)) return;
    const elements = elementsOf(form).filter(
      ({ input, data }) => data.ahead && input.files.length && !input.matches(":disabled"),
    );
    if (!elements.length || !isOurs(form, submitter)) return;
    event.preventDefault();
    new Sending(form, submitter, elements).start();
  };

  const reset = ({ target: form }) =>
    setTimeout(() => elementsOf(form).forEach((element) => element.forget()));

  const returned = ({ persisted }) => {
    if (persisted) sendings.forEach((sending) => sending.stop());
    document.querySelectorAll(TAG).forEach((element) => element.refresh());
  };

  // For each element again: it does nothing twice, and a page that is written anew has none.
  const listen = () => {
    document.addEventListener("submit", submitted);
    document.addEventListener("reset", reset);
    window.addEventListener("pageshow", returned);
  };

  customElements.define(TAG, GroupMeImageInput);
}
