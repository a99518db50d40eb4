"use strict";

/*
 * <groupme-images-input>: the part of the widget for several images that requires JavaScript.
 *
 * Each chosen file becomes an item of the grid in which the server displays the images that the
 * form has uploaded before. The order of the items is that of the submitted values. The file input
 * always contains the files that are not uploaded yet, so that the browser can restore them, and
 * submit them without an upload request.
 */
if (!customElements.get("groupme-images-input")) {
  const {
    ImageElement,
    UploadItem,
    createElement,
    decodeNext,
    findCopies,
    isolate,
    setOrRemoveAttribute,
  } = globalThis.groupmeImages;
  const EDGE = 50; // pixels at the edges of the window, in which it scrolls during a drag
  const SCROLL_STEP = 20; // pixels

  /** An image in the grid: a chosen file, or an image that the form has uploaded before. */
  class GridItem extends UploadItem {
    /** `node` is the list item that the server has rendered for an uploaded image. */
    constructor(element, file, node) {
      super(element, file);
      this.view = this;
      this.node = node ?? createElement("span", { class: "groupme-new", role: "listitem" });
      this.node.classList.add("groupme-image");
      this.isPending = Boolean(file);
      if (file) this.buildPreview();
      this.description ??= this.node.querySelector(":scope > span");
      this.node.querySelector("label")?.remove(); // A button replaces the checkbox.
      this.status = createElement("span", { role: "status", "aria-live": "off" });
      this.error = createElement("span", { role: "alert", "aria-live": "off" });
      this.node.append(createElement("span", { class: "groupme-script" }, this.status, this.error));
      this.buildButtons();
      if (!file) this.showStatus(this.text("done"));
    }

    buildPreview() {
      this.canvas = createElement("canvas", { "aria-hidden": "true", hidden: "" });
      this.description = createElement("span", {}, this.text("preparing"));
      this.node.append(this.canvas, this.description);
    }

    buildButtons() {
      // In right-to-left pages, browsers mirror these characters.
      this.earlierButton = this.createMoveButton("earlier", "‹", -1);
      this.laterButton = this.createMoveButton("later", "›", 1);
      this.removeButton = this.element.createButton("remove", () => this.element.removeItem(this));
      const label = `${this.removeButton.textContent} ${isolate(this.name)}`;
      this.removeButton.setAttribute("aria-label", label);
      const buttons = [this.earlierButton, this.laterButton, this.removeButton];
      this.node.append(createElement("span", { class: "groupme-actions" }, ...buttons));
    }

    createMoveButton(key, symbol, step) {
      const button = this.element.createButton(key, () => this.element.moveByButton(this, step));
      button.setAttribute("aria-label", this.text(key));
      button.textContent = symbol;
      return button;
    }

    get name() {
      return this.file?.name ?? this.description.textContent.trim();
    }

    get isChosen() {
      return this.node.isConnected;
    }

    text(key, values) {
      return this.element.text(key, { name: isolate(this.name), ...values });
    }

    /** Shrink, check, and display the file. If it is rejected, set the reason. */
    async prepare() {
      const file = await this.element.shrunkFile(this.file);
      this.reason = await this.element.rejectionReason(file);
      this.file = file;
      if (!this.reason) decodeNext(() => this.showPreview(), true);
    }

    async showPreview() {
      if (!this.isChosen) return;
      const image = await createImageBitmap(this.file).catch(() => null);
      this.description.textContent = this.element.drawPreview(this.canvas, image, this.file);
      image?.close();
    }

    showWarning(text) {
      this.node.querySelector(".groupme-copy")?.remove();
      if (text) this.description.after(createElement("span", { class: "groupme-copy" }, text));
    }

    showStatus(text) {
      this.status.textContent = text;
    }

    showError(...content) {
      this.error.replaceChildren(...content);
    }

    // The upload

    addTo(formData) {
      const { name } = this.element.fileInput;
      // Otherwise, the server's response would contain the tokens of other images.
      formData.delete(`${name}-uploaded`);
      formData.set(name, this.file);
    }

    accept(token) {
      this.isPending = false;
      const name = `${this.element.fileInput.name}-uploaded`;
      this.node.append(createElement("input", { type: "hidden", name, value: token }));
      this.element.refresh();
    }

    focus() {
      (this.error.querySelector("button") ?? this.removeButton).focus();
    }
  }

  class GroupMeImagesInput extends ImageElement {
    initialize() {
      super.initialize();
      this.maxFiles = Number(this.dataset.maxFiles) || Infinity;
      this.grid = this.querySelector(".groupme-uploads > .groupme-grid") ?? this.buildGrid();
      this.grid.previousElementSibling?.remove(); // The heading only applies to uploaded images.
      this.append(this.grid.parentElement); // The messages are next to the zone.
      this.saved = [...this.grid.children].map((node) => new GridItem(this, null, node));
      this.fileInput.addEventListener("change", () => this.addFiles(this.fileInput.files));
      this.grid.addEventListener("pointerdown", (event) => this.handlePointerDown(event));
      // The items are moved by the script, and not by the browser.
      this.grid.addEventListener("dragstart", (event) => event.preventDefault());
      this.setItems(this.saved);
      this.showRestoredFile();
    }

    buildGrid() {
      const grid = createElement("span", { class: "groupme-grid", role: "list" });
      this.append(createElement("span", { class: "groupme-images groupme-new" }, grid));
      return grid;
    }

    /** Show the files that the browser restored after a reload or a history navigation. */
    showRestoredFile() {
      const isHandled = this.pendingItems?.length;
      if (this.fileInput?.files.length && !isHandled) this.addFiles(this.fileInput.files);
    }

    get pendingItems() {
      return this.items?.filter(({ isPending }) => isPending);
    }

    uploadItems() {
      return this.needsUpload ? this.pendingItems : [];
    }

    setItems(items) {
      this.items = [...items];
      this.grid.replaceChildren(...items.map(({ node }) => node));
      this.clearMessages();
      this.refresh();
    }

    reset() {
      this.setItems(this.saved);
      this.showStatus("");
      this.uploadRequest?.discardReplacedImages();
    }

    acceptTransfer({ files }) {
      if (this.fileInput.matches(":disabled") || !files.length) return false;
      this.addFiles(files);
      return true;
    }

    addFiles(files) {
      const chosen = [...files];
      if (!chosen.length) return this.refresh(); // The dialog was canceled.
      const room = Math.max(0, this.maxFiles - this.items.length);
      const added = chosen.slice(0, room).map((file) => new GridItem(this, file));
      this.items.push(...added);
      this.grid.append(...added.map(({ node }) => node));
      if (!this.preparation) this.clearMessages();
      this.leftOut.push(...chosen.slice(room).map(({ name }) => isolate(name)));
      this.refresh();
      // A form that is submitted in the meantime waits for this promise.
      const preparation = (this.preparation = this.acceptItems(added, this.preparation));
      preparation.finally(() => {
        if (this.preparation === preparation) this.preparation = null;
      });
    }

    /** Prepare the items, and remove rejected ones. Return whether all files were accepted. */
    async acceptItems(added, earlier) {
      await Promise.all(added.map((item) => item.prepare()));
      for (const item of added.filter(({ reason, isChosen }) => reason && isChosen)) {
        this.rejections.push(item.reason);
        this.discard(item);
      }
      this.refresh();
      const count = added.filter(({ isChosen }) => isChosen).length;
      if (count) this.showStatus(this.text("added", { count }));
      this.showCopies();
      await earlier;
      return !this.rejections.length && !this.leftOut.length;
    }

    discard(item) {
      this.items = this.items.filter((other) => other !== item);
      item.node.remove();
    }

    removeItem(item) {
      const index = this.items.indexOf(item);
      this.discard(item);
      this.clearMessages();
      this.refresh();
      const next = this.items[index] ?? this.items[index - 1];
      (next?.removeButton ?? this.fileInput).focus();
      this.showStatus(this.text("removed", { name: isolate(item.name) }));
      this.showCopies();
      this.uploadRequest?.discardReplacedImages();
    }

    /** Update everything that depends on the items. */
    refresh() {
      this.setFiles(this.pendingItems.map(({ file }) => file));
      this.grid.parentElement.hidden = !this.items.length;
      this.items.forEach((item, index) => {
        // A disabled button would lose the focus.
        item.earlierButton.setAttribute("aria-disabled", !this.canMove(item, index - 1));
        item.laterButton.setAttribute("aria-disabled", !this.canMove(item, index + 1));
      });
      this.showMessages();
    }

    // Messages

    clearMessages() {
      this.leftOut = []; // names
      this.rejections = []; // reasons
      this.copies = []; // names
    }

    showMessages() {
      const list = new Intl.ListFormat(this.config.language || undefined);
      const about = (key, names) => {
        const values = { limit: this.maxFiles, names: list.format(names) };
        return names.length ? [this.text(key, values)] : [];
      };
      const { leftOut, rejections, copies } = this;
      const lines = [...rejections, ...about("limit", leftOut), ...about("copies", copies)];
      if (lines.join("") === this.error.textContent) return; // It would be announced again.
      const children = lines.map((line) => createElement("span", {}, line));
      this.showError(createElement("span", {}, ...children));
      const isInvalid = rejections.length + leftOut.length > 0;
      setOrRemoveAttribute(this.fileInput, "aria-invalid", isInvalid && "true");
    }

    /** Warn about images that were chosen more than once. */
    async showCopies() {
      const search = (this.search = {});
      const entries = this.items.map((item) => [item.file, item]).filter(([file]) => file);
      const copies = await findCopies(entries);
      if (search !== this.search) return;
      for (const item of this.items) item.showWarning("");
      for (const [, { name }, item] of copies) {
        item.showWarning(this.text("copy", { name: isolate(name) }));
      }
      this.copies = copies.map(([{ name }]) => isolate(name));
      this.showMessages();
    }

    // The order

    /** Return whether an item can be moved to an index. */
    canMove(item, index) {
      const other = this.items[index];
      // In a submission, files follow the images that are uploaded already.
      return Boolean(other) && (Boolean(this.config.ahead) || other.isPending === item.isPending);
    }

    move(item, index) {
      const start = this.items.indexOf(item);
      this.items.splice(start, 1);
      this.items.splice(index, 0, item);
      // The item itself stays in the document, so that it keeps the focus and the pointer.
      const nodes = this.items.map(({ node }) => node);
      if (start < index) item.node.before(...nodes.slice(start, index));
      else item.node.after(...nodes.slice(index + 1, start + 1));
    }

    finishMove(item) {
      this.refresh();
      const values = { number: this.items.indexOf(item) + 1, count: this.items.length };
      this.showStatus(this.text("moved", values));
    }

    moveByButton(item, step) {
      const index = this.items.indexOf(item) + step;
      if (!this.canMove(item, index)) return;
      this.move(item, index);
      this.finishMove(item);
      item.node.scrollIntoView({ block: "nearest" });
    }

    handlePointerDown(event) {
      const { target, pointerType, pointerId, button } = event;
      const item = this.items.find(({ node }) => node.contains(target));
      // A finger scrolls the page.
      if (!item || button || pointerType !== "mouse" || target.closest("a, button")) return;
      if (this.fileInput.matches(":disabled")) return;
      event.preventDefault();
      const start = this.items.indexOf(item);
      let last = item;
      const handleMove = ({ clientX, clientY }) => {
        item.node.classList.add("groupme-moving");
        if (clientY < EDGE) scrollBy(0, -SCROLL_STEP);
        if (clientY > innerHeight - EDGE) scrollBy(0, SCROLL_STEP);
        const found = document.elementFromPoint(clientX, clientY);
        const other = this.items.find(({ node }) => node.contains(found)) ?? item;
        const index = this.items.indexOf(other);
        // After a move, the pointer may still be over the same item.
        if (other !== item && other !== last && this.canMove(item, index)) this.move(item, index);
        last = other;
      };
      const handleEnd = () => {
        item.node.removeEventListener("pointermove", handleMove);
        item.node.classList.remove("groupme-moving");
        if (item.isChosen && this.items.indexOf(item) !== start) this.finishMove(item);
      };
      item.node.setPointerCapture(pointerId);
      item.node.addEventListener("pointermove", handleMove);
      item.node.addEventListener("lostpointercapture", handleEnd, { once: true });
    }
  }

  customElements.define("groupme-images-input", GroupMeImagesInput);
}
