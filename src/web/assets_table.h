/* Every file that is part of the program: ASSET(name, listener, URL path, file in this folder, content type).
 * The build compresses each (CMakeLists.txt reads the names from here). */
#ifndef ROOMCAST_WEB_ASSETS_TABLE_H
#define ROOMCAST_WEB_ASSETS_TABLE_H

/* clang-format off */
#define WEB_ASSETS(ASSET)                                                                                    \
    ASSET(roomcast_js, WEB_PUBLIC, "/roomcast.js", "roomcast.js", "text/javascript; charset=utf-8")          \
    ASSET(roomcast_d_ts, WEB_PUBLIC, "/roomcast.d.ts", "roomcast.d.ts", "text/plain; charset=utf-8")          \
    ASSET(console_html, WEB_ADMIN, "/console", "console/console.html", "text/html; charset=utf-8")           \
    ASSET(console_css, WEB_ADMIN, "/console/console.css", "console/console.css", "text/css; charset=utf-8")  \
    ASSET(console_js, WEB_ADMIN, "/console/console.js", "console/console.js", "text/javascript; charset=utf-8") \
    ASSET(console_chart_js, WEB_ADMIN, "/console/chart.js", "console/chart.js", "text/javascript; charset=utf-8")
/* clang-format on */

#endif
