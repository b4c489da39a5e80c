import { createStore } from "./store";

const ITEM = "meterd-key";

/** The API key of this tab, gone when the tab is closed. Never in a URL, never on disk. */
export const session = createStore<string | null>(sessionStorage.getItem(ITEM));

session.subscribe(() => {
  const key = session.get();
  if (key === null) sessionStorage.removeItem(ITEM);
  else sessionStorage.setItem(ITEM, key);
});
