"use strict";

// Upload the images of a form before it is submitted, one in each request (see forms/widgets.py).
// The script reads values from responses, and does not insert markup. A page may load it twice.
if (!globalThis.groupmeImages.handlesSubmit) {
  globalThis.groupmeImages.handlesSubmit = true;

  const {
    uploadRequests,
    createElement,
    elementsOf,
    inlineRowData,
    isolate,
    setOrRemoveAttribute,
  } = globalThis.groupmeImages;

  const MAX_REQUESTS = 3; // at a time
  const MAX_OUTAGES = 3; // consecutive temporary failures, after which the queue ends
  const PROGRESS_TIMEOUT = 300; // milliseconds; browsers report upload progress every 100
  const ANNOUNCEMENT_INTERVAL = 5000; // milliseconds between announcements of the progress
  const INLINE = ".js-inline-admin-formset[data-inline-formset]";

  const plainForms = new WeakSet(); // Forms that are submitted without upload requests.
  const waitingForms = new Set(); // Forms that are submitted once their files are prepared.
  const staleForms = new WeakSet(); // Forms that need a new CSRF token after a login.

  const createButton = (text, handleClick) => {
    const button = createElement("button", { type: "button" }, text);
    button.addEventListener("click", handleClick);
    return button;
  };

  /**
   * A chosen image. An element with several images has the method uploadItems(), which returns
   * objects of a subclass. It overrides isChosen, addTo(), accept(), and focus(), and its view has
   * status, error, showStatus(), and showError() like a <groupme-image-input>.
   */
  class UploadItem {
    constructor(element, file = element.fileInput.files[0], view = element) {
      Object.assign(this, { element, file, view });
    }

    get isChosen() {
      return this.element.isConnected && this.element.fileInput.files[0] === this.file;
    }

    /** Put this file into the data of its request, which contains no files. */
    addTo(formData) {
      const { fileInput, tokenInput } = this.element;
      // Otherwise, the response would contain this token.
      formData.delete(tokenInput.name);
      formData.set(fileInput.name, this.file);
    }

    accept(token) {
      this.element.replaceFileWithToken(token);
    }

    focus() {
      this.element.fileInput.focus();
    }

    text(key, values) {
      return this.element.text(key, { name: isolate(this.file.name), ...values });
    }

    set isQuiet(value) {
      for (const region of [this.view.status, this.view.error]) {
        setOrRemoveAttribute(region, "aria-live", value && "off");
      }
    }

    showProgress(stop) {
      this.hideProgress();
      this.view.showError("");
      const attributes = { max: 1, value: 0, "aria-label": this.text("sending") };
      this.bar = createElement("progress", attributes);
      this.row = createElement("span", { class: "groupme-sending" }, this.bar);
      if (stop) this.row.append(createButton(this.text("stop"), stop));
      this.view.status.before(this.row);
    }

    hideProgress() {
      const hadFocus = this.row?.contains(document.activeElement);
      this.row?.remove();
      this.view.showStatus("");
      if (hadFocus) this.focus();
    }
  }

  class Summary {
    constructor(form, item, cancel) {
      const cancelButton = createButton(item.text("cancel"), cancel);
      this.bar = createElement("progress", { max: 1, value: 0, "aria-hidden": "true" });
      // The line changes too often to be announced.
      this.line = createElement("span", { "aria-hidden": "true" });
      this.status = createElement("span", { class: "groupme-announced", role: "status" });
      const children = [this.line, this.status, this.bar, cancelButton];
      form.append(createElement("div", { class: "groupme-summary" }, ...children));
    }

    update(text, fraction) {
      this.bar.value = fraction;
      this.line.textContent = text;
      const announce = () => {
        this.timer = null;
        this.status.textContent = this.line.textContent;
      };
      const delay = this.status.textContent ? ANNOUNCEMENT_INTERVAL : 0;
      this.timer ??= setTimeout(announce, delay);
    }

    end(...content) {
      clearTimeout(this.timer);
      this.status.replaceChildren(...content);
      this.status.className = "";
      this.status.parentElement.replaceChildren(this.status);
    }
  }

  const removeSummary = (form) => form.querySelector(":scope > .groupme-summary")?.remove();

  class UploadQueue {
    constructor(form) {
      Object.assign(this, { form, submitter: null, submits: false, isStopped: false });
      this.waiting = []; // items
      this.running = new Set(); // requests
      this.failed = new Set(); // items
      this.items = new Set(); // all of them
      this.total = this.done = 0;
      // The first response shows whether the session is valid and the site works.
      this.limit = 1;
      removeSummary(form);
      uploadRequests.set(form, this);
      window.addEventListener("beforeunload", confirmLeaving);
    }

    /** Upload the images, and then submit the form. */
    save(items, submitter) {
      this.submits = true;
      this.failed.clear();
      this.total = this.done + items.length;
      this.start(items, submitter);
    }

    /** Upload an image without a submission. */
    retry(item, submitter) {
      if (!this.failed.delete(item)) this.total += 1;
      this.start([item], this.submitter ?? submitter);
    }

    start(items, submitter) {
      const resumed = this.isStopped ? this.running : [];
      if (this.end) {
        removeSummary(this.form);
        this.summary = null;
      }
      Object.assign(this, { submitter, isStopped: false, end: null, outages: 0 });
      const present = [...this.waiting, ...[...this.running].map(({ item }) => item)];
      const added = items.filter((item) => !present.some(({ file }) => file === item.file));
      this.waiting.push(...added);
      for (const item of added) this.items.add(item);
      if (this.total > 1) this.summary ??= new Summary(this.form, items[0], () => this.stop());
      for (const item of this.items) item.isQuiet = Boolean(this.summary);
      for (const request of resumed) request.resume();
      for (const item of added) this.showProgress(item, "queued", 0);
      this.showSummary();
      if (staleForms.delete(this.form)) refreshToken(this.form, () => this.sendNext());
      else this.sendNext();
    }

    sendNext() {
      if (uploadRequests.get(this.form) !== this) return; // It has finished.
      this.discardRemovedItems();
      while (this.waiting.length && this.running.size < this.limit) {
        new UploadRequest(this, this.waiting.shift()).send();
      }
      if (!this.waiting.length && !this.running.size) this.finish();
    }

    discardRemovedItems() {
      const isRemoved = (item) => !item.isChosen;
      const removed = [...this.waiting, ...this.failed].filter(isRemoved);
      this.total -= removed.length;
      for (const item of removed) this.failed.delete(item);
      this.waiting = this.waiting.filter(({ isChosen }) => isChosen);
    }

    showProgress(item, key, fraction) {
      if (!item.row?.isConnected) item.showProgress(this.summary ? null : () => this.stop());
      setOrRemoveAttribute(item.bar, "value", fraction === null ? "" : String(fraction));
      let text = item.text(this.summary || key !== "queued" ? key : "sending");
      // A single image is announced, and not at each change.
      if (this.summary && fraction) {
        text += ` ${item.element.formatNumber(fraction, { style: "percent" })}`;
      }
      if (item.view.status.textContent !== text) item.view.showStatus(text);
    }

    showSummary() {
      if (!this.summary) return;
      const { done, total, failed } = this;
      const [item] = this.items;
      const text = (key) => item.text(key, { done, total, failed: failed.size });
      if (this.end) this.summary.end(...this.end(text));
      else this.summary.update(text("progress"), done / total);
    }

    /** Start no more requests. The function returns the content of the summary. */
    endWith(end) {
      for (const item of this.waiting) item.hideProgress();
      this.waiting = [];
      this.submits = false;
      this.end = end;
      this.showSummary();
    }

    /** Stop at the user's request. See UploadRequest for requests that cannot be aborted. */
    stop() {
      if (this.isStopped) return;
      this.isStopped = true;
      this.enableSubmitter();
      const hadFocus = this.summary?.status.parentElement.contains(document.activeElement);
      this.endWith((text) => [text("canceled")]);
      if (hadFocus) this.submitter?.focus();
      for (const request of this.running) request.stop();
      this.sendNext();
    }

    enableSubmitter() {
      if (this.submitter) this.submitter.disabled = false;
    }

    /** Discard the results of images that have been removed or replaced. */
    discardReplacedImages() {
      const removed = [...this.running].filter(({ item }) => !item.isChosen);
      if (removed.length && !this.summary) this.stop();
      for (const request of removed) request.abort();
      this.discardRemovedItems();
      this.showSummary();
    }

    /** Continue after a request. The result of an aborted one is discarded. */
    handleEnd(request) {
      const { item, isAborted } = request;
      this.running.delete(request);
      if (!this.isStopped) item.hideProgress();
      if (!item.isChosen) this.total -= 1;
      else if (!isAborted) this.handleResult(request);
      if (!isAborted) this.showSummary();
      this.sendNext();
    }

    handleResult(request) {
      const { item } = request;
      const { token, errors, isTemporary } = request.result ?? {};
      if (token) this.accept(item, token);
      else if (errors) this.fail(item, errors.join(" "), isTemporary);
      else if (!request.request.status) this.handleNetworkError(item);
      else this.handleOtherResponse(request);
    }

    accept(item, token) {
      item.accept(token);
      this.done += 1;
      this.setOutages(0);
      item.view.showStatus(item.text(this.submits ? "done" : "uploaded"));
    }

    fail(item, text, isTemporary) {
      if (this.isStopped) return;
      this.failed.add(item);
      const content = [text];
      if (isTemporary && (this.summary || !this.submits)) {
        const button = createButton(item.text("retry"), () => {
          if (item.isChosen) queueOf(this.form).retry(item, this.submitter);
        });
        button.setAttribute("aria-label", `${button.textContent} ${isolate(item.file.name)}`);
        content.push(" ", button);
      }
      item.view.showError(...content);
      this.setOutages(isTemporary ? this.outages + 1 : 0);
    }

    setOutages(number) {
      this.outages = number;
      this.hadOutage ||= number > 0;
      this.limit = this.hadOutage ? 1 : MAX_REQUESTS;
      if (number >= MAX_OUTAGES && this.waiting.length) this.endWith((text) => [text("outage")]);
    }

    // A view that ignores whether the form is valid may have saved it, so nothing is sent again.
    handleOtherResponse(request) {
      const { item } = request;
      const { status, responseURL } = request.request;
      const isRedirected = Boolean(responseURL) && responseURL !== request.url;
      const link = (key, attributes) =>
        createElement("a", { href: responseURL || request.url, ...attributes }, item.text(key));
      const failed = item.text("failed", { status });
      if (status === 413) this.fail(item, item.text("tooLargeForSite"), false);
      else if (!isRedirected && (status >= 500 || status === 429)) this.fail(item, failed, true);
      else if (isRedirected && elementsIn(request.request, "input[type=password]").length) {
        // The chosen files would be lost on another page.
        staleForms.add(this.form);
        const login = link("logIn", { target: "_blank", rel: "noopener" });
        this.handleFinalResponse(item, item.text("loggedOut"), " ", login);
      } else {
        // Submitted again without the script, the form leads to the site's own page.
        plainForms.add(this.form);
        if (isRedirected && !this.isStopped) {
          this.isStopped = true; // The browser asks for no confirmation.
          this.endWith((text) => [text("progress")]);
          location.assign(responseURL);
        } else if (isRedirected || status < 400) {
          this.handleFinalResponse(item, item.text("otherPage"), " ", link("openPage"));
        } else if (!this.isStopped) this.handleFinalResponse(item, failed);
      }
    }

    handleFinalResponse(item, ...content) {
      if (this.end === null || this.isStopped) this.endWith(() => content);
      if (!this.summary) item.view.showError(...content);
    }

    handleNetworkError(item) {
      // Only a submitted form can follow a redirect to another site. But several files at once
      // are not submitted because of an outage.
      if (navigator.onLine && !this.isStopped && !this.summary) plainForms.add(this.form);
      this.fail(item, item.text("broken"), true);
    }

    finish() {
      this.close();
      const failed = [...this.items].find((item) => !this.isStopped && this.failed.has(item));
      this.end ??= (text) => [text(failed ? "someFailed" : "progress")];
      this.showSummary();
      if (failed) {
        failed.focus();
        failed.view.error.scrollIntoView({ block: "center" }); // The summary would cover it.
      } else if (this.submits) submitWithFiles(this.form, this.submitter);
    }

    close() {
      if (uploadRequests.get(this.form) === this) uploadRequests.delete(this.form);
      if (!uploadRequests.size) window.removeEventListener("beforeunload", confirmLeaving);
      this.enableSubmitter();
      // Screen readers handle changes of the page later.
      setTimeout(() => {
        if (uploadRequests.has(this.form)) return;
        for (const item of this.items) item.isQuiet = false;
      }, 1000);
    }
  }

  /**
   * Upload one image. The response is the form again, with a token of the image or with errors.
   *
   * Once the body has been sent, the server uploads the image even if the request is aborted. If
   * the user stops the upload then, the request continues in the background, its result is kept,
   * and the next submission waits for it, so that no image is uploaded twice.
   */
  class UploadRequest {
    constructor(queue, item) {
      Object.assign(this, { queue, item, isPartlySent: false, isSent: false, isAborted: false });
      this.url = actionOf(queue.form, queue.submitter).href;
    }

    send() {
      const { formData, name } = this.data();
      this.name = name; // The admin renames inputs when rows are removed.
      const request = (this.request = new XMLHttpRequest()); // fetch() reports no upload progress.
      request.open("POST", this.url);
      request.responseType = "document"; // Such a document runs no scripts and loads no images.
      request.upload.onprogress = ({ loaded, total }) => this.handleProgress(loaded / total);
      request.upload.onload = () => this.handleBodySent();
      request.onloadend = () => this.handleEnd(); // after a response, an error, or an abort
      this.queue.running.add(this);
      request.send(formData);
      this.showProgress(0);
      // After a fast upload, a double click would miss the button.
      const scroll = () => this.item.row.scrollIntoView({ block: "nearest" });
      if (!this.queue.summary) this.timer = setTimeout(scroll, 700);
    }

    /** Return the data of the form with only this file, and the file's name in it. */
    data() {
      const { form, submitter } = this.queue;
      const formData = new FormData(form, submitter);
      // The page may have disabled the button, on which permissions depend.
      if (submitter?.name && submitter.matches(":disabled")) {
        formData.append(submitter.name, submitter.value);
      }
      for (const [name, value] of [...formData]) {
        if (value instanceof File) formData.delete(name);
      }
      this.item.addTo(formData);
      formData.set(this.item.element.config.ahead, "1");
      const { name } = this.item.element.fileInput;
      return form.querySelector(INLINE) ? inlineRowData(formData, name) : { formData, name };
    }

    showProgress(fraction) {
      this.queue.showProgress(this.item, "sending", fraction);
    }

    handleProgress(fraction) {
      this.isPartlySent = fraction < 1;
      if (!this.queue.isStopped) this.showProgress(fraction);
      else if (this.isPartlySent) this.abort();
    }

    handleBodySent() {
      this.isSent = true;
      if (this.queue.isStopped) this.showStopped();
      else this.showForwarding();
    }

    showForwarding() {
      this.queue.showProgress(this.item, "waiting", null);
    }

    stop() {
      this.item.hideProgress();
      this.showStopped();
      if (this.isPartlySent) this.abort();
    }

    showStopped() {
      clearTimeout(this.timer);
      const text = this.item.text(this.isSent ? "stoppedLate" : "stopped");
      if (!this.queue.summary) this.item.view.showStatus(text);
      // Before the first progress report, a small body may have been sent already.
      if (!this.isSent) this.timer = setTimeout(() => this.abort(), PROGRESS_TIMEOUT);
    }

    abort() {
      this.isAborted = true;
      this.request.abort();
    }

    resume() {
      clearTimeout(this.timer);
      if (this.isSent) this.showForwarding();
      else this.showProgress(0);
    }

    handleEnd() {
      clearTimeout(this.timer);
      this.queue.handleEnd(this);
    }

    /** The token or the errors of the image, if the response is the same form. */
    get result() {
      return elementsIn(this.request, this.item.element.localName)
        .filter((other) => other.querySelector("input[type=file]")?.name === this.name)
        .map((other) => ({
          token: [...other.querySelectorAll("input[type=hidden]")].at(-1)?.value,
          ...errorsIn(other),
        }))
        .find(({ token, errors }) => token || errors);
    }
  }

  /** Return elements of a response of this site. */
  const elementsIn = ({ response, responseURL }, selector) => {
    if (!response || new URL(responseURL, location).origin !== location.origin) return [];
    return [...response.querySelectorAll(selector)];
  };

  const errorsIn = (element) => {
    try {
      const values = [JSON.parse(element.dataset.errors ?? "[]")].flat();
      const errors = values.filter((value) => typeof value === "string");
      const isTemporary = values.some((value) => value?.temporary);
      return { errors: errors.length ? errors : null, isTemporary };
    } catch {
      return {}; // The element was not rendered by the widget of this package.
    }
  };

  const confirmLeaving = (event) => {
    if ([...uploadRequests.values()].some(({ isStopped }) => !isStopped)) event.preventDefault();
  };

  // Inputs may have the names of properties and methods of the form, such as "action".
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

  /** Submit the form, which now contains tokens in place of files. */
  const submitForm = (form, submitter) => {
    // The handlers of the first event, for example against double clicks, might cancel this one.
    const skipHandlers = (event) => event.stopImmediatePropagation();
    const isDisabled = submitter?.disabled;
    if (isDisabled) submitter.disabled = false; // Otherwise, it would not be submitted.
    window.addEventListener("submit", skipHandlers, true);
    const button = submitter?.form === form ? submitter : null;
    HTMLFormElement.prototype.requestSubmit.call(form, button);
    window.removeEventListener("submit", skipHandlers, true);
    if (isDisabled) submitter.disabled = true;
  };

  /** Replace the CSRF token of the form with that of its page, and call a function. */
  const refreshToken = (form, callback) => {
    const selector = "input[name=csrfmiddlewaretoken]";
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onloadend = () => {
      const [input] = elementsIn(request, selector);
      const tokenInput = form.querySelector(selector);
      if (input && tokenInput) tokenInput.value = input.value;
      callback();
    };
    request.send();
  };

  const queueOf = (form) => uploadRequests.get(form) ?? new UploadQueue(form);

  const itemsOf = (form) => {
    const itemsIn = (element) =>
      element.uploadItems?.() ?? (element.needsUpload ? new UploadItem(element) : []);
    return plainForms.has(form) ? [] : elementsOf(form).flatMap(itemsIn);
  };

  const isPreparing = ({ preparation }) => preparation;

  /** Return whether all files that are being prepared are accepted. If the user cancels: false. */
  const prepareFiles = (form) => {
    const elements = elementsOf(form).filter(isPreparing);
    const preparations = elements.map(({ preparation }) => preparation);
    const result = Promise.allSettled(preparations).then((results) =>
      results.every(({ value }) => value),
    );
    const total = elements.length;
    if (total < 2) return result;
    removeSummary(form);
    return new Promise((resolve) => {
      let done = -1;
      const summary = new Summary(form, elements[0], () => resolve(false));
      const showNext = () => {
        done += 1;
        summary.update(elements[0].text("prepared", { done, total }), done / total);
      };
      showNext();
      for (const preparation of preparations) preparation.then(showNext, showNext);
      result.then(resolve);
    }).finally(() => removeSummary(form));
  };

  /** Return whether the form would have too many fields with its new tokens. If so, show why. */
  const hasTooManyFields = (form, items) => {
    const [item] = items;
    const { maxFields: limit } = item.element.config;
    const fields = [...new FormData(form).values()].filter((value) => !(value instanceof File));
    const count = fields.length + items.length + 1; // One is that of the button.
    if (!limit || count <= limit) return false;
    removeSummary(form);
    new Summary(form, item).end(item.text("tooManyFields", { count, limit }));
    return true;
  };

  /** Submit the form when its files are prepared and uploaded, unless one is not accepted. */
  const submitWithFiles = async (form, submitter) => {
    let isAccepted = true;
    // Another file may be chosen while the first one is prepared.
    while (isAccepted && elementsOf(form).some(isPreparing)) {
      waitingForms.add(form);
      isAccepted = await prepareFiles(form);
      isAccepted &&= waitingForms.delete(form);
    }
    const items = itemsOf(form);
    if (isAccepted && !(items.length && hasTooManyFields(form, items))) {
      if (items.length) queueOf(form).save(items, submitter);
      else submitForm(form, submitter);
      return;
    }
    waitingForms.delete(form);
    if (submitter) submitter.disabled = false; // The page may have disabled it.
    const rejected = elementsOf(form).find((element) => element.error.textContent);
    if (rejected) rejected.fileInput.focus();
    else submitter?.focus({ preventScroll: true });
  };

  const handleSubmit = (event) => {
    const { target: form, submitter } = event;
    if (waitingForms.has(form) || uploadRequests.get(form)?.submits) event.preventDefault();
    if (event.defaultPrevented || !isSupported(form, submitter)) return;
    if (!elementsOf(form).some(isPreparing) && !itemsOf(form).length) return;
    event.preventDefault();
    submitWithFiles(form, submitter);
  };

  // A page in the back/forward cache must not submit a form when it is displayed again.
  const stopUploads = () => {
    waitingForms.clear();
    uploadRequests.forEach((queue) => queue.stop());
  };

  globalThis.groupmeImages.UploadItem = UploadItem;

  document.addEventListener("submit", handleSubmit);
  window.addEventListener("pagehide", stopUploads);
  window.addEventListener("pageshow", ({ persisted }) => persisted && stopUploads());
}
