import assert from 'node:assert/strict';
import iconv from 'iconv-lite';
import { baseSubject, decodeCharset, decodeParameter, decodeText, decodeWords, knowsCharset, parseDate, parseIds, parseParameters } from '../../src/message/index.ts';

describe('message: encoded words', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['=?utf-8?Q?=C3=A9t=C3=A9_?= x', 'été  x'],
    ['=?UTF-8?B?w6k=?=', 'é'],
    ['=?utf-8?q?a?= =?utf-8?q?b?=', 'ab'],
    ['=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?=', 'aé'],
    ['=?utf-8?q?=C3?= =?utf-8?q?=A9?=', 'é'],
    ['=?utf-8?q?a?= b =?utf-8?q?c?=', 'a b c'],
    ['"=?utf-8?q?a b?="', '"a b"'],
    ['=?utf-8*en?q?a?=', 'a'],
    ['=?iso-8859-1?q?=80?=', '€'],
    ['=?nonsense?q?=E9?=', 'é'],
    ['=?utf-8?q?a', '=?utf-8?q?a'],
    ['=?utf-8?x?a?=', '=?utf-8?x?a?='],
    ['=?utf-8?B?!!?=x', 'x'],
    ['\xc3\xa9', 'é'],
    ['\xe9', 'é'],
    ['\xe9 =?utf-8?q?=C3=A9?= \xc3\xa9', 'é é é'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
    ['=?gb2312?B?1tDOxA==?=', '中文'],
    ['=?koi8-r?q?=F0?=', 'П'],
    // As they should not be, and are.
    ['=?utf-8?Q?Wirklich??=', 'Wirklich?'],
    ['=?utf-8?Q?a?b=3F?= =?utf-8?Q??c?=', 'a?b??c'],
    ['=?utf-8?Q?a=?= =?utf-8?Q?b==?=', 'ab='],
    ['=?utf-8?Q?cut =?utf-8?Q?whole?=', '=?utf-8?Q?cut whole'],
    ['=?utf-8?Q?a?==?utf-8?Q?b?=', 'ab'],
    ['=?utf-8?Q?=C3?=\t=?UTF-8?B?qQ==?=', 'é'],
    ['=?utf-8*de?Q?=C3?= =?utf-8*en?Q?=A9?=', 'é'],
    ['=?utf-8?B?w6k?=', 'é'],
    ['=?utf-8?B?w6k=w6k=?=', 'éé'],
    ['=?utf-8?B?w6\r\n k=?=', 'é'],
    ['=?utf-8?Q?one\r\n two?=', 'one two'],
    ['=?utf-8?Q?=c3=a9=zz=?=', 'é=zz'],
    ['=??Q?=C3=A9?= x =??Q?=E9?=', 'é x é'],
    ['=?"utf-8"?Q?=C3=A9?=', 'é'],
    ['=?ISO-8859-1:1987?Q?=E9?=', 'é'],
    ['=?cp-850?Q?=82?=', 'é'],
    ['=?unicode-1-1-utf-7?Q?+AOk-?=', 'é'],
    ['=?utf-16?B?AOkA6Q==?=', 'éé'],
    ['=?iso-2022-jp?B?GyRCRnw=?= =?iso-2022-jp?B?S1wbKEI=?=', '日本'],
    ['(=?utf-8?Q?=C3=A9?=) <=?utf-8?Q?=C3=A9?=>', '(é) <é>'],
    ['=?utf-8?Q?\xc3\xa9?= \xc3\xa9', 'é é'],
    ['=?', '=?'],
    ['=?utf-8?Q??=', ''],
  ];
  for (const [from, to] of cases) it(JSON.stringify(from), () => assert.equal(decodeWords(from), to));
});

describe('message: text', () => {
  it('base64 with junk and with padding inside', () => {
    assert.equal(decodeText(Buffer.from('Q2Vj !!\r\n\x00aSBl:c3Q'), 'BASE64', 'utf-8'), 'Ceci est');
    assert.equal(decodeText(Buffer.from('YQ==YQ=='), 'base64', ''), 'aa');
  });
  it('quoted-printable with bad escapes and soft breaks', () => {
    assert.equal(decodeText(Buffer.from('a=3D=\r\nb= \t\r\nc=\nd=ZZ=C3=A9=e9=  x='), 'Quoted-Printable', 'windows-1252'), 'a=bcd=ZZÃ©é=  x');
  });
  it('every charset that iconv-lite knows, by each of its names', () => {
    iconv.encodingExists('utf-8');
    const names = Object.keys(iconv.encodings!).filter((name) => !/^(_|base64$|hex$|binary$|internal$)/.test(name));
    assert.ok(names.length > 400, String(names.length));
    for (const name of names) {
      assert.ok(knowsCharset(name), name);
      for (const text of ['plain text', '+AGE-&~', 'Grüße, été — ж中文日本語 한국어']) {
        const bytes = iconv.encode(text, name);
        // US-ASCII with more than ASCII in it, and what all the world calls windows-1252.
        const means = /^(us)?ascii$|^ansix34|^iso646us$|^isoir6$|^(cp|ibm)?367$|^utf8$|^unicode11utf8$/.test(name) ? 'utf8' : new Set(['latin1', 'iso88591', '88591', '28591', 'cp28591']).has(name) ? 'windows-1252' : name;
        assert.equal(decodeCharset(bytes, name), iconv.decode(bytes, means), `${name}: ${text}`);
      }
    }
  });
  it('charsets by the names that mail has', () => {
    const names: Record<string, string> = {
      "'utf-8'": 'é', 'UTF8;': 'é', utf_8: 'é', 'ANSI_X3.4-1968': 'é', csASCII: 'é',
    };
    for (const [name, text] of Object.entries(names)) assert.equal(decodeCharset(Buffer.from(text), name), text, name);
    const bytes = Buffer.from([0xe9, 0xc0]);
    for (const [name, text] of Object.entries({ latin1: 'éÀ', 'x-cp1252': 'éÀ', 'x-mac-cyrillic': 'йј', 'x-mac-roman': 'È¿', 'iso-8859-8-e': 'י\ufffd', koi: 'Ию', 'x-windows-949': '湧', 'x-euc-jp': '蘋', klingon: 'éÀ', [`${'x'.repeat(1000)}`]: 'éÀ' })) {
      assert.equal(decodeCharset(bytes, name), text, name);
    }
    for (const name of ['iso-2022-jp', 'csISO2022JP', 'ISO-2022-JP-MS', 'cp50221']) assert.equal(decodeCharset(Buffer.from('\x1b$BF|K\\\x1b(B', 'latin1'), name), '日本', name);
    assert.equal(decodeCharset(Buffer.from([0xe9]), 'iso-8859-1'), 'é');
    assert.equal(decodeCharset(Buffer.from('é'), 'us-ascii'), 'é');
    assert.equal(decodeCharset(Buffer.from([0xff, 0xfe, 0x41, 0]), 'utf-16'), 'A');
    assert.equal(decodeCharset(Buffer.from('\ufeffa'), 'utf-8'), 'a');
    assert.equal(decodeCharset(Buffer.from([0x80]), 'no-such-charset'), '€');
    assert.ok(knowsCharset('KOI8-R') && knowsCharset('utf-8') && !knowsCharset('klingon') && !knowsCharset('base64') && !knowsCharset('b-a-s-e-64') && !knowsCharset(''));
  });
});

describe('message: parameters', () => {
  it('are read as they stand', () => {
    assert.deepEqual(parseParameters('x; a=b; C="d;\\"e"; f = g (h); =i; j; k'), [['a', 'b'], ['C', 'd;"e'], ['f', 'g']]);
  });
  it('in pieces are joined, and decoded for people', () => {
    const params = parseParameters("x; n*1*=%A9.t; n*0*=utf-8''%C3; n*2=xt; m*0=a; m*1=b; o*1=c");
    assert.deepEqual(params, [['n*', "utf-8''%C3%A9.txt"], ['m', 'ab'], ['o*1', 'c']]);
    assert.equal(decodeParameter(params, 'N'), 'é.txt');
    assert.equal(decodeParameter(params, 'm'), 'ab');
    assert.equal(decodeParameter(params, 'x'), null);
    const broken: Record<string, string> = { '%41': 'A', "utf-8'%C3%A9": 'é', "''%C3%A9": 'é', "iso-8859-1'en'%E9": 'é', "klingon''%E9": 'é', "utf-8''a%zz%C3%": 'a%zz\ufffd%', "it's": "it's", '': '', "utf-8''": '', "'": "'" };
    for (const [value, text] of Object.entries(broken)) assert.equal(decodeParameter([['n*', value]], 'n'), text, value);
  });
});

describe('message: dates', () => {
  const day = Date.UTC(2024, 0, 2);
  const cases: [string, number | null, number?][] = [
    ['Tue, 2 Jan 2024 10:00:00 +0100', day + 9 * 3600e3],
    ['2 Jan 24 10:00 GMT', day + 10 * 3600e3],
    ['Tue, 02-Jan-2024 10:00:00 EST', day + 15 * 3600e3],
    ['Tue, 2 Jan 2024 23:30:00 -0800 (PST)', day + 31.5 * 3600e3, day],
    ['Tue, 2 Jan 2024 00:30:00 +0200', day - 1.5 * 3600e3, day],
    ['Tue Jan  2 10:00:00 2024', day + 10 * 3600e3],
    ['2024-01-02T10:00:00+01:00', day + 9 * 3600e3],
    ['Tue,\r\n 2 January 2024', day],
    ['2 Jan 2024 1:05:06 pm', day + (13 * 3600 + 5 * 60 + 6) * 1000],
    ['2 Jan 2024 10:00 Z', day + 10 * 3600e3],
    ['7 Oct 94 16:15 A', Date.UTC(1994, 9, 7, 16, 15)],
    ['1 Jan 100 00:00 +0000', Date.UTC(2000, 0, 1)],
    ['Whenever', null],
    ['', null],
    ['32 Jan 2024', null],
    ['2 Jan', null],
    ['Tue, 2 Jan 2024 99:99:99 +0000', null],
  ];
  for (const [text, at, sentDay] of cases) {
    it(JSON.stringify(text), () => {
      const date = parseDate(text);
      assert.equal(date?.at ?? null, at);
      if (date) assert.equal(date.day, sentDay ?? Math.floor(date.at / 86400e3) * 86400e3);
    });
  }
});

describe('message: ids and base subjects', () => {
  it('ids are what stands between angle brackets', () => {
    assert.deepEqual(parseIds('<a@b>\r\n\t<c@d> junk <e @f> <<g@h> <> <no end'), ['a@b', 'c@d', 'e@f', 'g@h']);
  });
  const cases: [string, string][] = [
    ['Re: a', 'a'],
    ['RE: re : Fwd: FW: a (fwd) (FWD)', 'a'],
    ['[list] Re: [list] a', 'a'],
    ['Re[2]: a', 'a'],
    ['[fwd: Re: a]', 'a'],
    ['[only]', '[only]'],
    ['Re: [only]', '[only]'],
    ['[a][b]', '[b]'],
    ['=?utf-8?q?Re=3A_=C3=A9t=C3=A9?=', 'été'],
    ['  a   b\t c ', 'a b c'],
    ['Regarding: a', 'Regarding: a'],
    ['', ''],
    ['Re:', ''],
  ];
  for (const [from, to] of cases) it(JSON.stringify(from), () => assert.equal(baseSubject(from), to));
});
