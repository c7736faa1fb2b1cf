/** A service worker: the page draws without a network too, once it was opened with one. */

const CACHE = "studio";

async function keepAll() {
  const { files } = await (await fetch("studio.json")).json();
  const cache = await caches.open(CACHE);
  await cache.addAll(["./", "studio.json", ...Object.keys(files)]);
}

/** From the network as long as there is one: what was written anew is never hidden. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch {
    return (await cache.match(request)) ?? Response.error();
  }
}

self.addEventListener("install", (event) => event.waitUntil(keepAll()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});
