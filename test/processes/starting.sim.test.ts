/** What the log says first: on which Redis, and what in the settings nobody can have meant. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { endOf, startMachine } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();

it('names the embedded Redis, and warns in production that no SMS is sent', async () => {
  const settings = {
    NODE_ENV: 'production',
    REDIS_URL: 'embedded',
    SMS_DRIVER: 'console',
  };
  const machine = await startMachine({ servers: 1, settings });
  try {
    await machine.logged('"redis":"embedded, ');
    await machine.logged('SMS_DRIVER is console: no SMS is sent, so nobody gets an OTP');
  } finally {
    await machine.kill();
  }
});

it('says in one line that the port is in use', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => {
    other.listen(0, '127.0.0.1', resolve);
  });
  const { port } = other.address() as AddressInfo;
  try {
    const { status, lines } = await endOf('server', used.server.address, { PORT: String(port) });
    expect(status).toBe(1);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ level: 50, msg: `PORT ${port} of HOST 127.0.0.1 is in use` }),
    ]);
  } finally {
    other.close();
  }
});
