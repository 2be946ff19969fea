// What components cannot do by themselves: focus, scrolling, and remembering the language and the colours of a browser, and who it is
// (a random number), so that a person stays with one version of a prompt that is served in two.
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
  line: (id, number) => {
    const area = document.getElementById(id);
    if (!area) return;
    const lines = area.value.split("\n");
    const at = Math.min(number, lines.length) - 1;
    const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + lines[at].length);
    area.scrollTop = Math.max(0, (area.scrollHeight / lines.length) * at - area.clientHeight / 2);
  },
  person: () => {
    const known = document.cookie.match(/(?:^|; )kotonoha-person=([0-9a-f]{32})/);
    if (known) return known[1];
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const made = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    document.cookie = `kotonoha-person=${made}; path=/; max-age=31536000; samesite=strict`;
    return made;
  },
  toEnd: (id) => {
    const element = document.getElementById(id);
    if (element) element.scrollTop = element.scrollHeight;
  },
};
