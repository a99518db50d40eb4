"use strict";

/*
 * Accept many images at once in an inline of the admin, and add a row for each of them. Rows are
 * added with the inline's own link, so that other scripts of the admin work.
 */
if (!globalThis.groupmeImages.inlines) {
  const { TAG, RowOrder, createElement, elementsOf, findCopies, isolate } =
    globalThis.groupmeImages;
  const inlines = (globalThis.groupmeImages.inlines = new Map());
  const GROUPS = "[data-inline-formset]";
  const CONFIGURED = "[data-groupme-inline]";
  const SAVED_ROW = ".has_original, .form-group.original"; // in Django, in Unfold
  const HIDDEN_LINK = "groupme-deletelink";
  const DELETE_LINK = ".inline-deletelink, .delete-template";
  const SLICE = 50; // milliseconds, after which the page can react to its user

  const files = new WeakMap(); // The last file of each element, which may already be uploaded.

  /** Return the file of an element, or undefined without a new image. */
  const fileOf = (element) => {
    const [file] = element.fileInput.files;
    if (file) files.set(element, file);
    else if (!element.tokenInput.value) files.delete(element);
    return files.get(element);
  };

  /** Do not build the date shortcuts for each new row. Return a function that builds them all. */
  const suspendDateShortcuts = () => {
    const { DateTimeShortcuts } = globalThis;
    const init = DateTimeShortcuts?.init;
    if (!init) return () => {};
    DateTimeShortcuts.init = () => {};
    return () => {
      DateTimeShortcuts.init = init;
      init.call(DateTimeShortcuts);
    };
  };

  /** Hide a new row, and hide its link from a script that updates the links of all rows. */
  const hideRow = (row) => {
    row.classList.add("groupme-adding");
    row.querySelector(".inline-deletelink")?.classList.replace("inline-deletelink", HIDDEN_LINK);
  };

  const showRow = (row) => {
    row.classList.remove("groupme-adding");
    row.querySelector(`.${HIDDEN_LINK}`)?.classList.replace(HIDDEN_LINK, "inline-deletelink");
  };

  class ImageInline {
    /** `template` is copied for a new row. It is undefined without the permission to add rows. */
    constructor(group, element, template) {
      const { order, texts } = JSON.parse(element.closest(CONFIGURED).dataset.groupmeInline);
      Object.assign(this, { group, texts, config: element.config, form: element.fileInput.form });
      this.prefix = JSON.parse(group.dataset.inlineFormset).options.prefix;
      this.root = group.closest(".formset-wrapper") ?? group; // Unfold marks only the rows.
      this.template = template ?? null;
      this.container = (template ?? element.closest(SAVED_ROW)).parentElement;
      this.added = new WeakSet(); // the rows whose images were chosen in the zone
      this.messages = {};
      this.build(element);
      new RowOrder(this, order);
      const saveRows = ({ target }) => target.closest(DELETE_LINK) && this.saveRows();
      this.root.addEventListener("click", saveRows, true);
      this.root.addEventListener("click", (event) => this.handleClick(event));
      this.root.addEventListener("change", (event) => this.handleChange(event));
    }

    /** Build the messages, and the zone if users can add rows. */
    build(element) {
      this.status = createElement("p", { role: "status" });
      this.alert = createElement("div", { role: "alert" });
      this.zone = createElement("div", { class: "groupme-image-input groupme-inline" });
      if (this.template && this.limit > 0) {
        const { accept } = element.fileInput;
        const id = `${this.prefix}-groupme-images`;
        // Without a name, the input is not submitted.
        this.input = createElement("input", { type: "file", id, accept, multiple: "" });
        this.input.hasChangeListener = true; // as in image_input.js
        this.input.addEventListener("change", () => this.addFiles(this.input.files));
        const label = element.querySelector(".groupme-file label").cloneNode(true);
        label.htmlFor = id;
        label.querySelector(".groupme-mouse").textContent = this.texts.choose;
        label.querySelector(".groupme-touch").textContent = this.texts.take;
        this.zone.append(createElement("span", { class: "groupme-file" }, label, this.input));
        // image_input.js uses the zone like a widget.
        this.zone.fileInput = this.input;
        this.zone.acceptTransfer = ({ files }) => this.addFiles(files);
        const heading = document.getElementById(`${this.prefix}-heading`);
        this.zone.setAttribute("role", "group");
        if (heading) this.zone.setAttribute("aria-labelledby", heading.id);
      }
      this.zone.append(this.status, this.alert);
      const firstRow = this.rows[0] ?? this.template;
      (this.container.closest("table") ?? firstRow).before(this.zone);
    }

    /** The rows, without the template of new ones. */
    get rows() {
      const isRow = (child) => child !== this.template && child.querySelector(TAG);
      return [...this.container.children].filter(isRow);
    }

    /** The rows that are saved, or that contain something. */
    get filledRows() {
      const values = this.template && this.valuesOf(this.template);
      return this.rows.filter((row) => !this.isUntouched(row, values));
    }

    get limit() {
      const { value } = document.getElementById(`id_${this.prefix}-MAX_NUM_FORMS`) ?? {};
      return value ? Number(value) : Infinity;
    }

    rowOf(element) {
      return this.rows.find((row) => row.contains(element));
    }

    /** Return the index of a row in the names of its controls. */
    indexOf(row) {
      return row.querySelector(TAG).fileInput.name.slice(this.prefix.length + 1).split("-")[0];
    }

    /** Return the control of a row with this field name, or null. */
    controlOf(row, name) {
      return row.querySelector(`[name="${this.prefix}-${this.indexOf(row)}-${name}"]`);
    }

    /** Return the values of a row, without its files, its position, and its parent. */
    valuesOf(row) {
      // The parent is not submitted, so it is empty in the rows of an invalid form.
      const ignored = [this.order.controlOf(row), this.controlOf(row, this.config.parent)];
      return [...row.querySelectorAll("input, select, textarea")]
        .filter(({ name, type }) => name.startsWith(`${this.prefix}-`) && type !== "file")
        .filter((control) => !ignored.includes(control))
        .map(({ type, checked, value }) => (/^(checkbox|radio)$/.test(type) ? checked : value));
    }

    /** Return whether a row is as empty as the template, whose values can be passed. */
    isUntouched(row, values = this.valuesOf(this.template)) {
      if (!this.template || row.matches(SAVED_ROW)) return false;
      const fileInputs = [...row.querySelectorAll("input[type=file]")];
      const hasFile = fileInputs.some((input) => input.files.length);
      return !hasFile && String(this.valuesOf(row)) === String(values);
    }

    /** Add a row with the inline's own link, and return it, or null if that is not possible. */
    addRow() {
      const last = this.template.previousElementSibling;
      this.root.querySelector(".add-row a, a.add-row")?.click();
      const row = this.template.previousElementSibling;
      return row === last ? null : row;
    }

    /** Remove a row with its own link. Return whether that was possible. */
    removeRow(row) {
      row.querySelector(DELETE_LINK)?.click();
      if (!row.isConnected) return true;
      this.order.reset(row);
      return false;
    }

    /** Add rows for files after those that are still being added. */
    addFiles(chosen) {
      const all = [...chosen];
      this.input.value = "";
      if (!all.length) return false;
      if (!this.adding) this.messages = {};
      const adding = Promise.resolve(this.adding).then(() => this.addRows(all));
      this.adding = adding;
      adding.finally(() => {
        if (this.adding === adding) this.adding = null;
      });
      return true;
    }

    async addRows(all) {
      this.order.sort();
      const filled = this.filledRows;
      const free = this.rows.slice(filled.length); // Filled rows come first.
      const isKept = (row) => !this.controlOf(row, "DELETE")?.checked;
      const room = Math.max(0, this.limit - filled.filter(isKept).length);
      this.status.setAttribute("aria-live", "off"); // Only the result is announced.
      const added = await this.fillRows(all.slice(0, room), free);
      this.status.setAttribute("aria-live", "polite");
      this.order.number(added.filter((row) => row.isConnected));
      const leftOut = all.slice(added.length).map(({ name }) => name);
      this.show("limit", leftOut, { limit: this.limit });
      this.showStatus("added", { count: added.length });
      this.review(added);
    }

    /** Put files into free rows and then into new ones. Return the rows. */
    async fillRows(accepted, free) {
      const rows = [];
      const resume = suspendDateShortcuts();
      let start = performance.now();
      for (const file of accepted) {
        // The last new row updates the links of all rows.
        if (file === accepted.at(-1)) rows.forEach(showRow);
        while (free.length && !free[0].isConnected) free.shift(); // It has been removed.
        const row = free.shift() ?? this.addRow();
        if (!row) break;
        this.setFile(row, file);
        rows.push(row);
        hideRow(row);
        if (performance.now() - start < SLICE) continue;
        this.showStatus("adding", { number: rows.length, count: accepted.length });
        await new Promise((resolve) => setTimeout(resolve));
        start = performance.now();
      }
      rows.forEach(showRow);
      resume();
      return rows;
    }

    setFile(row, file) {
      const element = row.querySelector(TAG);
      this.added.add(row);
      files.set(element, file);
      // The zone has the summary. Otherwise, each row would be announced.
      const statuses = [...element.querySelectorAll("[role=status]")];
      statuses.forEach((status) => status.setAttribute("aria-live", "off"));
      const restore = () => statuses.forEach((status) => status.removeAttribute("aria-live"));
      row.addEventListener("focusin", restore, { once: true });
      element.setFile(file);
      element.fileInput.dispatchEvent(new Event("change", { bubbles: true }));
    }

    /** Remove the rows whose files have been rejected, and list the reasons. */
    async review(added) {
      const elements = added.map((row) => row.querySelector(TAG));
      await Promise.allSettled(elements.map((element) => element?.preparation));
      const isRejected = (row) => {
        const element = row.isConnected && row.querySelector(TAG);
        return element && !fileOf(element) && element.error.textContent;
      };
      const rejected = added.filter(isRejected);
      this.messages.rejected = rejected.map((row) => row.querySelector(TAG).error.textContent);
      rejected.forEach((row) => this.removeRow(row));
      if (rejected.length) this.showStatus("added", { count: added.length - rejected.length });
      await this.findCopies();
      this.zone.scrollIntoView({ block: "nearest" });
    }

    /** Warn about images that were chosen more than once in the form. */
    async findCopies() {
      const search = (this.search = {});
      const elements = elementsOf(this.form).filter((element) => element.matches(TAG));
      const entries = elements.map((element) => [fileOf(element), element]);
      const copies = await findCopies(entries.filter(([file]) => file));
      if (search !== this.search) return;
      this.root.querySelectorAll(".groupme-copy").forEach((warning) => warning.remove());
      const own = copies.filter(([, , element]) => this.root.contains(element));
      for (const [, first, element] of own) {
        const text = this.text("copy", { name: isolate(first.name) });
        element.after(createElement("span", { class: "groupme-copy" }, text));
      }
      this.show("copies", own.map(([{ name }]) => name));
    }

    /** Show a message about files, or none if there are none. */
    show(key, names, values) {
      const list = new Intl.ListFormat(this.config.language || undefined);
      const text = this.text(key, { ...values, names: list.format(names.map(isolate)) });
      this.messages[key] = names.length ? [text] : [];
      const lines = Object.values(this.messages).flat();
      if (lines.join() === [...this.alert.children].map((line) => line.textContent).join()) return;
      this.alert.replaceChildren(...lines.map((line) => createElement("p", {}, line)));
    }

    showStatus(key, values) {
      this.status.textContent = this.text(key, values);
    }

    text(key, values) {
      return this.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    }

    handleChange({ target }) {
      const element = target.closest(TAG);
      if (this.adding || target === this.input) return;
      if (element && target === element.fileInput) this.handleChoice(element);
      else if (!target.name.endsWith(`-${this.order.name}`)) this.order.refresh();
    }

    async handleChoice(element) {
      await element.preparation;
      const row = this.rowOf(element);
      if (row && fileOf(element)) this.order.number([row]);
      this.order.refresh();
      this.findCopies();
    }

    handleClick({ target }) {
      const element = target.closest(TAG);
      const file = files.get(element);
      const row = file && !fileOf(element) && this.rowOf(element);
      if (row && this.added.has(row) && this.isUntouched(row)) {
        if (this.removeRow(row)) this.input.focus(); // The focus was in the row.
        this.showStatus("removed", { name: isolate(file.name) });
      } else if (row) this.findCopies();
      if (target.closest(DELETE_LINK)) this.restoreRows();
    }

    /** Sort the rows by index before a script removes one and numbers the others in their order. */
    saveRows() {
      this.order.useIndexes();
      // Unfold's script also loses what the rows contain.
      this.saved = this.rows.map((row) => {
        const controls = [...row.querySelectorAll("input, select, textarea")];
        return { row, element: row.querySelector(TAG), controls };
      });
    }

    restoreRows() {
      for (const { row, element, controls } of this.saved) {
        if (!row.isConnected || row.contains(element)) continue;
        row.querySelectorAll("input, select, textarea").forEach((control, index) => {
          if (control.type === "file") return;
          control.value = controls[index].value;
          control.checked = controls[index].checked;
        });
        const [file] = element.fileInput.files;
        if (file) this.setFile(row, file);
      }
      this.order.restore();
      this.findCopies();
    }
  }

  const buildInlines = () => {
    for (const group of document.querySelectorAll(GROUPS)) {
      // An inline can contain others.
      const findOwn = (selector) =>
        [...group.querySelectorAll(selector)].find((each) => each.closest(GROUPS) === group);
      const element = findOwn(`${CONFIGURED} ${TAG}`);
      const template = findOwn(`.empty-form:has(${TAG})`);
      if (inlines.has(group) || group.closest(".empty-form")) continue;
      if (!element || !(template ?? element.closest(SAVED_ROW))) continue;
      inlines.set(group, new ImageInline(group, element, template));
    }
  };

  /** Submit a form once all of its files have rows, and only if no file was left out. */
  const handleSubmit = async (event) => {
    const { target: form, submitter } = event;
    const adding = [...inlines.values()].filter((inline) => inline.form === form && inline.adding);
    if (!adding.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    for (const inline of adding) while (inline.adding) await inline.adding;
    if (adding.every(({ alert }) => !alert.hasChildNodes())) form.requestSubmit(submitter);
  };

  groupmeImages.zoneAt = (node) =>
    [...inlines.values()].find(({ input, root }) => input && root.contains(node))?.zone;

  buildInlines();
  document.addEventListener("formset:added", buildInlines);
  document.addEventListener("submit", handleSubmit, true);
}
