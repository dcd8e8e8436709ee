// A plain conversation with a replica's port.
import { connect } from 'node:net';

/** Says lines, one after each answer that matches; gives all that was heard. */
export function dialogue(port: number, steps: [say: string, until: RegExp][], patience_ms = 15_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const todo = [...steps];
    let heard = '';
    let since = 0;
    socket.setTimeout(patience_ms, () => socket.destroy(new Error(`silence after: ${heard}`)));
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
    let until = /./;
    socket.on('data', (b) => {
      heard += b;
      while (until.test(heard.slice(since))) {
        const step = todo.shift();
        if (!step) return void socket.end();
        since = heard.length;
        socket.write(step[0]);
        until = step[1];
      }
    });
  });
}

/** One message by LMTP. */
export const deliver = (port: number, to: string, message: string, patience_ms?: number): Promise<string> =>
  dialogue(port, [['LHLO x\r\n', /^250 /m], ['MAIL FROM:<s@far.test>\r\n', /^250/m], [`RCPT TO:<${to}>\r\n`, /^250/m], ['DATA\r\n', /^354/m], [`${message}\r\n.\r\n`, /^250/m], ['QUIT\r\n', /^221/m]], patience_ms);
