/**
 * To be called before a library is loaded that imports node:http: such an import reads the lazy members too, and so loads an
 * HTTP client (14 MB, 50 ms) that nobody here asks for.
 */
export function leanHttp(): void {
  const http = process.getBuiltinModule('node:http');
  for (const lazy of ['WebSocket', 'CloseEvent', 'MessageEvent']) Object.defineProperty(http, lazy, { value: undefined, configurable: true });
}
