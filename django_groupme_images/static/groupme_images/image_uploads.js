"use strict";

/*
 * Upload the images of a form in a separate request before the form is submitted, so that the
 * widget can display the progress. forms/widgets.py describes that request.
 *
 * The script reads values from a response, and never inserts its markup.
 */
// A page that is loaded in parts, for example with htmx, may contain the script twice.
if (!globalThis.groupmeImages.handlesSubmit) {
  globalThis.groupmeImages.handlesSubmit = true;

  const { TAG, uploadRequests, createElement, elementsOf, isolate, setOrRemoveAttribute } =
    globalThis.groupmeImages;

  const PROGRESS_TIMEOUT = 300; // milliseconds; browsers report upload progress every 100

  // These forms are submitted without an upload request.
  const plainForms = new WeakSet();
  // These forms are submitted when all of their files have been prepared.
  const waitingForms = new Set();

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
      this.buildProgressRow();
      firstElement.showStatus(this.text("sending"));
      firstElement.status.before(this.progressRow);
      // A fast upload does not scroll the page, because a double click would miss the button.
      const scroll = () => this.progressRow.scrollIntoView({ block: "nearest" });
      this.timer = setTimeout(scroll, 700);
    }

    buildProgressRow() {
      const attributes = { max: 1, value: 0, "aria-label": this.text("sending") };
      this.progressBar = createElement("progress", attributes);
      this.stopButton = createElement("button", { type: "button" }, this.text("stop"));
      this.stopButton.addEventListener("click", () => this.stop());
      const controls = [this.progressBar, this.stopButton];
      this.progressRow = createElement("span", { class: "groupme-sending" }, ...controls);
    }

    /** Handle the browser's report that a fraction of the body has been sent. */
    handleProgress(fraction) {
      this.isPartlySent = fraction < 1;
      if (!this.isStopped) this.progressBar.value = fraction;
      else if (this.isPartlySent) this.abort();
    }

    handleBodySent() {
      this.isSent = true;
      if (this.isStopped) this.showStopped();
      else this.showForwarding();
    }

    /** Show that the site has the images, and uploads them to the image service. */
    showForwarding() {
      this.progressBar.removeAttribute("value");
      this.firstElement.showStatus(this.text("waiting"));
    }

    hideProgressRow() {
      const { firstElement } = this;
      // The page's own script may have disabled the button, because it expects a new page.
      if (this.submitter) this.submitter.disabled = false;
      const hadFocus = document.activeElement === this.stopButton;
      this.progressRow.remove();
      firstElement.showStatus("");
      if (hadFocus) firstElement.fileInput.focus(); // The button is gone now.
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

  // A page in the back/forward cache must not submit a form when it is displayed again.
  const stopUploads = () => {
    waitingForms.clear();
    uploadRequests.forEach((request) => request.stop());
  };

  const handlePageShow = ({ persisted }) => {
    if (persisted) stopUploads();
  };

  document.addEventListener("submit", handleSubmit);
  window.addEventListener("pagehide", stopUploads);
  window.addEventListener("pageshow", handlePageShow);
}
