"use strict";

// visitor.js makes the page the visitor's own before anything of it is seen: it
// knows what was chosen on earlier visits. The server sends the page in the
// language that the browser asks for; this script turns it into another one,
// when the visitor has chosen so, now or then.
//
// The words of the current language are in <template id="words">, for all
// scripts. An element with data-word shows the word of that key; scripts that
// show words themselves hear "words" on the document after a change.

(() => {
  const languages = JSON.parse(document.currentScript.dataset.languages);
  const root = document.documentElement;

  // Where storage is switched off, nothing is kept.
  const kept = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const keep = (key, value) => { try { localStorage.setItem(key, value); } catch { /* for this page only */ } };

  if (kept("met")) root.dataset.met = ""; // the notice about strangers has been understood

  const known = (tag) => {
    const primary = tag?.toLowerCase().split("-")[0];
    return Object.hasOwn(languages, primary) ? primary : undefined;
  };

  const fill = (words) => {
    const show = (name, put) => {
      for (const element of document.querySelectorAll(`[data-${name}]`)) {
        put(element, words[element.dataset[name]]);
      }
    };
    show("word", (element, text) => { element.textContent = text; });
    show("label", (element, text) => element.setAttribute("aria-label", text));
    show("placeholder", (element, text) => { element.placeholder = text; });
    document.getElementById("words").content.textContent = JSON.stringify(words);
    for (const check of document.querySelectorAll("a.check")) check.search = `?lang=${root.lang}`;
    document.getElementById("language").value = root.lang;
  };

  const built = new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
  let newest;

  // turn changes the language; where its words cannot be had, nothing changes.
  const turn = async (lang) => {
    newest = lang;
    try {
      const response = await fetch(languages[lang]);
      if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
      const words = await response.json();
      await built;
      if (newest !== lang) return;
      root.lang = lang;
      root.dir = words.dir;
      fill(words);
      document.dispatchEvent(new Event("words"));
    } catch (err) {
      console.error(err);
      await built;
      document.getElementById("language").value = root.lang;
    }
  };

  const wanted = [new URLSearchParams(location.search).get("lang"), kept("lang"), ...navigator.languages].map(known).find(Boolean);
  if (wanted && wanted !== root.lang) {
    root.dataset.turning = ""; // the style sheet waits a little, so that no other language flashes up
    turn(wanted).finally(() => delete root.dataset.turning);
  }

  built.then(() => {
    document.getElementById("language").addEventListener("change", (event) => {
      const lang = event.target.value;
      const address = new URL(location);
      address.searchParams.delete("lang");
      history.replaceState(history.state, "", address); // a reload keeps what was chosen
      keep("lang", lang);
      turn(lang);
    });
  });
})();
