// Puts every widget in its place, which scripts alone make visible.

const data = JSON.parse(document.getElementById("data").textContent);
for (const place of document.querySelectorAll("[data-widget]")) {
  place.hidden = false;
  WIDGETS[place.dataset.widget](place, data);
}
