"use strict";

// Reduce the data of a form with images to the part that Django needs, or to one row of an inline.
if (!globalThis.groupmeImages.inlineRowData) {
  const { elementsOf } = globalThis.groupmeImages;

  const TOTAL_FORMS = "-TOTAL_FORMS";
  const MANAGEMENT_FIELD = /-(TOTAL_FORMS|INITIAL_FORMS|MIN_NUM_FORMS|MAX_NUM_FORMS)$/;
  const ROW = /^(\d+|__prefix__)-(.+)$/s;

  const isEmpty = (value) => (value instanceof File ? !value.name && !value.size : value === "");

  /** Omit empty and redundant inputs, because Django limits their number in a request. */
  const trimFormData = ({ target: form, formData }) => {
    const deleteEmpty = (name) => {
      if (formData.getAll(name).every(isEmpty)) formData.delete(name);
    };
    for (const { config, fileInput, urlInput, tokenInput } of elementsOf(form)) {
      const { name } = fileInput;
      for (const input of [fileInput, urlInput, tokenInput]) if (input) deleteEmpty(input.name);
      const prefix = name.slice(0, name.lastIndexOf("-") + 1);
      if (config.parent) formData.delete(prefix + config.parent);
      if (config.key) deleteEmpty(prefix + config.key);
    }
  };

  /** Return the prefixes of the formsets that are not nested in a row of another one. */
  const formsetPrefixes = (names) => {
    const prefixes = names
      .filter((name) => name.endsWith(TOTAL_FORMS))
      .map((name) => name.slice(0, -TOTAL_FORMS.length));
    const isNested = (prefix) => rowOf(prefix, prefixes) !== null;
    return prefixes.filter((prefix) => !isNested(prefix));
  };

  /** Return the formset, index, and field of a row's input, or null for other inputs. */
  const rowOf = (name, prefixes) => {
    // The second formset of a model has the prefix "photos-2", like the third row of the first one.
    const candidates = prefixes.filter((prefix) => name.startsWith(`${prefix}-`));
    for (const prefix of candidates.sort((one, other) => other.length - one.length)) {
      const match = ROW.exec(name.slice(prefix.length + 1));
      if (match) return { prefix, index: match[1], field: match[2] };
    }
    return null;
  };

  /**
   * Return the data of an upload request in the admin, and the name of the file in it.
   *
   * It consists of everything outside of rows, on which the form of the parent may depend, and of
   * the row of the file, with the rows nested in it, as the only one of its formset.
   *
   * The admin never saves it, because MIN_NUM_FORMS, which Django validates but does not use, is
   * invalid. INITIAL_FORMS is also required, and only sent for a saved row.
   */
  const inlineRowData = (data, fileName) => {
    const names = [...data.keys()];
    const prefixes = formsetPrefixes(names);
    const isManagementField = (name) =>
      MANAGEMENT_FIELD.test(name) && prefixes.includes(name.replace(MANAGEMENT_FIELD, ""));
    const row = rowOf(fileName, prefixes);
    const firstRow = row && `${row.prefix}-0-`;
    const result = new FormData();
    for (const [name, value] of data) {
      if (isManagementField(name)) continue;
      const [, initial, rest] = /^(initial-)?(.*)$/s.exec(name);
      const other = rowOf(rest, prefixes);
      if (!other) result.append(name, value);
      else if (other.prefix === row?.prefix && other.index === row.index) {
        result.append((initial ?? "") + firstRow + other.field, value);
      }
    }
    for (const prefix of prefixes) {
      const isOwn = prefix === row?.prefix;
      const isSaved = isOwn && Number(row.index) < Number(data.get(`${prefix}-INITIAL_FORMS`));
      result.append(prefix + TOTAL_FORMS, isOwn ? 1 : 0);
      if (isSaved) result.append(`${prefix}-INITIAL_FORMS`, 1);
      result.append(`${prefix}-MIN_NUM_FORMS`, "upload");
    }
    return { formData: result, name: row ? firstRow + row.field : fileName };
  };

  document.addEventListener("formdata", trimFormData);
  globalThis.groupmeImages.inlineRowData = inlineRowData;
}
