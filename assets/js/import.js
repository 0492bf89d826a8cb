// A file for an import goes to the API as it is, so that it may be larger than a form. Without scripts, rows are pasted.

/** Lets the import forms take a file. */
export function takeFiles() {
  for (const form of document.querySelectorAll("form[data-import]")) {
    form.addEventListener("submit", (event) => {
      const file = form.querySelector("[data-file]").files[0];
      if (!file) return;
      event.preventDefault();
      send(form, file);
    });
  }
}

async function send(form, file) {
  const fields = new FormData(form);
  const text = (name) => String(fields.get(name) ?? "").trim();
  const query = new URLSearchParams({ name: text("file_name") || file.name, dry_run: String(fields.has("dry_run")) });
  const named = { scope: "scope", tenant: "tenant", name: "scope_name", type: "type" };
  for (const [field, name] of Object.entries(named)) if (text(field)) query.set(name, text(field));
  if (text("expires")) query.set("expires", `${text("expires")}T00:00:00Z`);
  const told = form.querySelector("[data-progress]");
  told.textContent = "The file is being sent …";
  try {
    const answer = await fetch(`/api/v1/suppressions/imports?${query}`, { method: "POST", body: file });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error?.message ?? `the server answered ${answer.status}`);
    location.assign(`/suppressions/runs/${body.run}?done=handed_in`);
  } catch (error) {
    told.textContent = `The file was not taken: ${error.message}`;
  }
}
