// What components cannot do by themselves: focus, scrolling, and remembering the language and the colours of a browser.
window.kotonoha = {
  prefersDark: () => window.matchMedia("(prefers-color-scheme: dark)").matches,
  remember: (name, value) => {
    document.cookie = `kotonoha-${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=strict`;
    if (name === "language") document.documentElement.lang = value;
    if (name === "colours") document.documentElement.dataset.colours = value;
  },
  show: (id) => {
    const element = document.getElementById(id);
    if (!element) return false;
    element.scrollIntoView({ block: "center" });
    element.focus({ preventScroll: true });
    return true;
  },
  toEnd: (id) => {
    const element = document.getElementById(id);
    if (element) element.scrollTop = element.scrollHeight;
  },
};
