// Transfer encodings (RFC 2045 §6) undone in pieces of any size. What is no valid encoding is passed over, never an error.

/** Decodes the next piece; `last` says that none follows. */
export type TransferDecoder = (piece: Buffer, last: boolean) => Buffer;

/** Null for an encoding that nobody knows. */
export function decoderOf(encoding: string): TransferDecoder | null {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case '7bit':
    case '8bit':
    case 'binary':
      return (piece) => piece;
    case 'base64':
      return base64();
    case 'quoted-printable':
      return quotedPrintable();
    default:
      return null;
  }
}

function base64(): TransferDecoder {
  let rest = '';
  return (piece, last) => {
    const text = rest + piece.toString('latin1').replace(/[^A-Za-z0-9+/]+/g, '');
    const whole = last ? text.length : text.length - (text.length % 4);
    rest = text.slice(whole);
    return Buffer.from(text.slice(0, whole), 'base64');
  };
}

function quotedPrintable(): TransferDecoder {
  let rest = '';
  return (piece, last) => {
    let text = rest + piece.toString('latin1');
    rest = '';
    if (!last) {
      // Up to the last whole line: an escape, a soft line end or blanks before a line end may be cut in two.
      const end = text.lastIndexOf('\n') + 1;
      const cut = end > 0 ? end : Math.max(0, text.lastIndexOf('='));
      if (cut > 0 || text.length < 64 * 1024) {
        rest = text.slice(cut);
        text = text.slice(0, cut);
      }
    }
    const decoded = text
      .replace(/[ \t]+(?=\r?\n)/g, '')
      .replace(/=\r?\n/g, '')
      .replace(/=([0-9A-Fa-f]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    return Buffer.from(decoded, 'latin1');
  };
}
