// Before the first paint, so that a remembered theme never flashes. A file of its own: the page allows no inline script.
(function () {
  try {
    var theme = localStorage.getItem('modelport-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme stands.
  }
})();
