// sw.js is the page's service worker: the second visit needs no download, and
// no server until START is pressed.
//
// It keeps the files of one version of the page, whose names change with their
// content, and answers for them; wasm/build writes VERSION and FILES above. The
// index it only answers for where the server does not: people should get the
// newest page. Everything else, /version and /check above all, it leaves alone.
//
//   a page is open, a new worker has installed   it waits, and says "newer"
//   the next load                                 brings the new index, whose files are those of the new
//                                                 worker: it takes over
//   the page says "take-over"                     the same at once

"use strict";

const CACHE = `page-${VERSION}`;

// INDEX_TIMEOUT is how long the server may take for the index, in milliseconds.
const INDEX_TIMEOUT = 3000;

const install = async () => {
  const cache = await caches.open(CACHE);
  await cache.addAll([...FILES, new Request("/", { cache: "no-cache" })]); // all or nothing
};

const activate = async () => {
  const others = (await caches.keys()).filter((name) => name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
  await registration.navigationPreload?.enable(); // the server is asked while this worker starts
};

const file = async (request) => (await caches.match(request, { cacheName: CACHE, ignoreVary: true })) ?? fetch(request);

// index is what the server says, if it says something useful in time. It is
// not kept: it may belong to the next version.
const index = async (event) => {
  const asked = (async () => (await event.preloadResponse) ?? fetch(event.request))();
  event.waitUntil(asked.catch(() => {})); // lest the browser complain that the answer was not awaited
  const late = new Promise((resolve) => { setTimeout(resolve, INDEX_TIMEOUT); });
  const response = await Promise.race([asked, late]).catch(() => {});
  if (response?.ok || response?.type === "opaqueredirect") return response;
  return (await caches.match("/", { cacheName: CACHE, ignoreVary: true })) ?? asked;
};

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(index(event));
    return;
  }
  if (FILES.includes(url.pathname.slice(1))) event.respondWith(file(event.request));
});

// A page says which files it was loaded with when it sees this worker wait. If
// they are this worker's, the page is of this version already.
self.addEventListener("message", ({ data, source }) => {
  if (data.type === "take-over" || data.files.every((name) => FILES.includes(name))) {
    self.skipWaiting();
    return;
  }
  source.postMessage("newer");
});
