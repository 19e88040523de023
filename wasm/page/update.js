"use strict";

// update.js installs the service worker, sw.js, once the client runs, and tells
// the page when a newer version is ready:
//
//   "update-ready"  is dispatched on document; the page may say so
//   "update-now"    may be dispatched on document by the page: it loads again

(() => {
  const container = navigator.serviceWorker;
  if (!container) return; // private windows, and http beyond this computer

  // CHECK_EVERY is how often a page that stays open asks for a newer version, in
  // milliseconds.
  const CHECK_EVERY = 60 * 60 * 1000;

  // SETTLED is how long a page that has come up is left alone, in milliseconds.
  // Asked to go while it still answers for files, Chromium's old worker stays for
  // five minutes.
  const SETTLED = 2000;

  // files are those that make a version: the worker knows them by name.
  const files = [...document.querySelectorAll("script[src], link[rel=stylesheet]")]
    .flatMap((e) => [e.src || e.href, e.dataset.client])
    .filter(Boolean)
    .map((url) => new URL(url, location.href).pathname.slice(1));

  const ask = (worker) => worker.postMessage({ type: "loaded", files });

  const watch = (registration) => {
    setTimeout(() => { if (registration.waiting) ask(registration.waiting); }, SETTLED);
    registration.addEventListener("updatefound", () => {
      const worker = registration.installing;
      worker.addEventListener("statechange", () => {
        if (worker.state === "installed" && registration.active) ask(worker); // the first one is nobody's successor
      });
    });
    setInterval(() => registration.update().catch(() => {}), CHECK_EVERY);
    document.addEventListener("update-now", () => {
      if (!registration.waiting) {
        location.reload();
        return;
      }
      container.addEventListener("controllerchange", () => location.reload(), { once: true });
      registration.waiting.postMessage({ type: "take-over" });
    });
  };

  container.addEventListener("message", ({ data }) => {
    if (data === "newer") document.dispatchEvent(new CustomEvent("update-ready"));
  });

  document.addEventListener("client-runs", () => {
    container.register("/sw.js").then(watch, (err) => console.warn("no service worker:", err));
  }, { once: true });
})();
