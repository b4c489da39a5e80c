// Before the first paint, so that a dark page never flashes white.
const theme = localStorage.getItem("meterd-theme");
const dark = theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
document.documentElement.classList.toggle("dark", dark);
