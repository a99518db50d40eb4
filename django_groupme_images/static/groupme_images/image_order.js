"use strict";

/*
 * Order the rows in an inline of the admin: number them, and add controls that move them.
 *
 * Rows are moved in the document, and the values of their ordering fields change. The indexes in
 * the names of their controls stay, because the server expects saved rows before new ones.
 */
if (!globalThis.groupmeImages.RowOrder) {
  const { TAG, createElement, isolate } = globalThis.groupmeImages;
  const EDGE = 50; // pixels at the edges of the window, in which it scrolls during a drag
  const SCROLL_STEP = 12; // pixels

  /** Return a row, and before it the row with its errors, if any. */
  const blockOf = (row) => {
    const previous = row.previousElementSibling;
    return previous?.matches(".row-form-errors") ? [previous, row] : [row];
  };

  globalThis.groupmeImages.RowOrder = class {
    /** `orderName` is the name of the field, after a hyphen if the order is descending. */
    constructor(inline, orderName) {
      this.inline = inline;
      inline.order = this;
      this.isDescending = orderName.startsWith("-");
      this.name = orderName.replace("-", "");
      const all = [...inline.rows, inline.template].filter(Boolean);
      if (!all.some((row) => this.controlOf(row))) this.name = "";
      this.sort();
      // Unfold's own option for ordering also adds controls.
      if (!this.name || inline.group.matches("[data-ordering-field]")) return;
      // The rows that are added later are copies of the template.
      all.forEach((row) => this.buildControls(row));
      inline.root.addEventListener("click", ({ target }) => this.handleClick(target));
      inline.root.addEventListener("pointerdown", (event) => this.handlePointerDown(event));
      document.addEventListener("formset:added", () => inline.adding || this.refresh());
      this.refresh();
    }

    controlOf(row) {
      return this.name ? this.inline.controlOf(row, this.name) : null;
    }

    buildControls(row) {
      const control = this.controlOf(row);
      if (!control || control.matches(":disabled, [readonly]")) return;
      const title = this.inline.text("drag");
      const controls = createElement(
        "span",
        { class: "groupme-order" },
        createElement("span", { class: "groupme-handle", title, "aria-hidden": "true" }, "⠿"),
        createElement("button", { type: "button", class: "groupme-up" }, "↑"),
        createElement("button", { type: "button", class: "groupme-down" }, "↓"),
      );
      (control.type === "hidden" ? row.querySelector(TAG) : control).after(controls);
    }

    /** Label the controls, and hide those of empty rows. */
    refresh() {
      const { inline } = this;
      const filled = inline.filledRows;
      for (const row of inline.rows) {
        const controls = row.querySelector(".groupme-order");
        if (!controls) continue;
        const index = filled.indexOf(row);
        const name = isolate(this.nameOf(row, index));
        controls.hidden = index < 0;
        const [, up, down] = controls.children;
        up.setAttribute("aria-label", inline.text("up", { name }));
        down.setAttribute("aria-label", inline.text("down", { name }));
        // A disabled button would lose the focus.
        up.setAttribute("aria-disabled", index === 0);
        down.setAttribute("aria-disabled", index === filled.length - 1);
      }
    }

    nameOf(row, index) {
      const title = row.querySelector(".original p, .inline_label")?.textContent.trim();
      const savedName = row.matches(".has_original") && title?.split("\n")[0];
      const { fileInput, fileName } = row.querySelector(TAG);
      const name = fileInput.files[0]?.name || fileName || savedName;
      return name || this.inline.text("row", { number: index + 1 });
    }

    // Numbers

    /** Return whether a row has a number that is not the default of new rows. */
    isNumbered(row) {
      const { value } = this.controlOf(row);
      const { template } = this.inline;
      const isSaved = row.matches(".has_original, .original");
      return value !== "" && (isSaved || value !== this.controlOf(template).value);
    }

    numberOf(row) {
      return Number(this.controlOf(row).value);
    }

    setNumber(row, number) {
      const control = this.controlOf(row);
      if (control.value === String(number)) return;
      control.value = number;
      control.dispatchEvent(new Event("change", { bubbles: true }));
    }

    /** Number new rows after the others. */
    number(rows) {
      const isNew = (row) => !this.isNumbered(row);
      if (this.name && rows.some(isNew)) {
        const numbered = this.inline.filledRows.filter((row) => this.isNumbered(row));
        const last = Math.max(0, ...numbered.map((row) => this.numberOf(row)));
        if (this.isDescending) this.renumber();
        else rows.filter(isNew).forEach((row, index) => this.setNumber(row, last + index + 1));
      }
      this.refresh();
    }

    /** Number the rows in the order of the document, with the same numbers if they are distinct. */
    renumber() {
      const rows = this.inline.filledRows;
      const numbers = rows.map((row) => this.numberOf(row));
      const isDistinct = new Set(numbers).size === rows.length;
      const isComplete = isDistinct && rows.every((row) => this.isNumbered(row));
      const sorted = isComplete ? numbers.sort((a, b) => a - b) : rows.map((_, index) => index + 1);
      if (this.isDescending) sorted.reverse();
      rows.forEach((row, index) => this.setNumber(row, sorted[index]));
    }

    /** Restore the default of an empty row, so that the server ignores it. */
    reset(row) {
      if (this.controlOf(row)) this.setNumber(row, this.controlOf(this.inline.template).value);
    }

    // Positions

    /** Display the rows in the order of their numbers, and empty ones last. */
    sort() {
      const filled = this.inline.filledRows;
      const empty = this.inline.rows.filter((row) => !filled.includes(row));
      const sign = this.isDescending ? -1 : 1;
      const key = (row) => (this.isNumbered(row) ? sign * this.numberOf(row) : Infinity);
      const compare = (row, other) => Number(key(row) > key(other)) - Number(key(row) < key(other));
      this.arrange([...(this.name ? filled.sort(compare) : filled), ...empty]);
    }

    arrange(rows) {
      const { container, rows: current } = this.inline;
      if (current.every((row, index) => row === rows[index])) return;
      const end = current.at(-1).nextSibling;
      for (const row of rows) blockOf(row).forEach((part) => container.insertBefore(part, end));
    }

    useIndexes() {
      const { inline } = this;
      this.displayed = inline.rows;
      const compare = (row, other) => inline.indexOf(row) - inline.indexOf(other);
      this.arrange([...this.displayed].sort(compare));
    }

    restore() {
      this.arrange(this.displayed.filter((row) => row.isConnected));
      this.refresh();
    }

    /** Move the neighbor of a row to its other side, so that the row keeps focus and pointer. */
    exchange(row, neighbor, isDown) {
      if (isDown) blockOf(row)[0].before(...blockOf(neighbor));
      else row.after(...blockOf(neighbor));
    }

    finishMove(row) {
      const { inline } = this;
      this.renumber();
      this.refresh();
      const rows = inline.filledRows;
      inline.showStatus("moved", { number: rows.indexOf(row) + 1, count: rows.length });
    }

    handleClick(target) {
      const button = target.closest(".groupme-up, .groupme-down");
      if (!button) return;
      const isDown = button.matches(".groupme-down");
      const row = this.inline.rowOf(button);
      const rows = this.inline.filledRows;
      const neighbor = rows[rows.indexOf(row) + (isDown ? 1 : -1)];
      if (!neighbor) return;
      this.exchange(row, neighbor, isDown);
      this.finishMove(row);
      button.scrollIntoView({ block: "nearest" });
    }

    handlePointerDown(event) {
      const handle = event.target.closest(".groupme-handle");
      if (!handle || event.button) return;
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      const row = this.inline.rowOf(handle);
      const rows = this.inline.filledRows;
      const start = rows.indexOf(row);
      let { clientY } = event;
      let frame;
      const step = () => {
        if (clientY < EDGE) scrollBy(0, -SCROLL_STEP);
        if (clientY > innerHeight - EDGE) scrollBy(0, SCROLL_STEP);
        this.moveTo(row, rows, clientY);
        frame = requestAnimationFrame(step);
      };
      const handleMove = (moved) => {
        clientY = moved.clientY;
        frame ??= requestAnimationFrame(step); // A click without a movement does not scroll.
      };
      const handleEnd = () => {
        cancelAnimationFrame(frame);
        handle.removeEventListener("pointermove", handleMove);
        row.classList.remove("groupme-moving");
        this.moveTo(row, rows, clientY);
        if (rows.indexOf(row) !== start) this.finishMove(row);
      };
      row.classList.add("groupme-moving");
      handle.addEventListener("pointermove", handleMove);
      handle.addEventListener("lostpointercapture", handleEnd, { once: true });
    }

    /** Exchange a row with the others up to a vertical position in the window. */
    moveTo(row, rows, clientY) {
      const middleOf = (other) => {
        const { top, height } = other.getBoundingClientRect();
        return top + height / 2;
      };
      for (;;) {
        const index = rows.indexOf(row);
        const [previous, next] = [rows[index - 1], rows[index + 1]];
        const isDown = next && clientY > middleOf(next);
        if (!isDown && !(previous && clientY < middleOf(previous))) return;
        this.exchange(row, isDown ? next : previous, isDown);
        rows.splice(index, 1);
        rows.splice(index + (isDown ? 1 : -1), 0, row);
      }
    }
  };
}
