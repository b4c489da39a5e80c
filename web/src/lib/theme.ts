import { createStore } from "./store";

export type Theme = "light" | "dark" | "system";

// The same item as in public/theme.js.
const ITEM = "meterd-theme";

function stored(): Theme {
  const item = localStorage.getItem(ITEM);
  return item === "light" || item === "dark" ? item : "system";
}

export const theme = createStore<Theme>(stored());

const system = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const chosen = theme.get();
  document.documentElement.classList.toggle(
    "dark",
    chosen === "dark" || (chosen === "system" && system.matches),
  );
}

theme.subscribe(() => {
  localStorage.setItem(ITEM, theme.get());
  apply();
});
system.addEventListener("change", apply);
