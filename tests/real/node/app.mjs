// An application with the official Node SDK that evaluates flags for whoever asks on its standard input: see ../apps.py.
// One line of JSON in, one line of JSON out; the first line in says where the flags are.
import { createInterface } from 'node:readline';
import { InMemStorageProvider, Unleash } from 'unleash-client';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

const wanted = JSON.parse((await lines.next()).value);
const unleash = new Unleash({
  url: `${wanted.url}/api`,
  appName: wanted.app,
  instanceId: wanted.instance,
  environment: wanted.environment,
  customHeaders: { Authorization: wanted.token },
  refreshInterval: 1000,
  metricsInterval: 1000,
  storageProvider: new InMemStorageProvider(),
});
let problem = '';
await new Promise((resolve) => {
  unleash.once('synchronized', resolve);
  unleash.on('error', (error) => {
    problem = String(error.message);
    resolve();
  });
});
say({ problem });

const variant = (flag, user) => {
  const found = unleash.getVariant(flag, user);
  return [found.name, found.enabled, found.feature_enabled, found.payload?.value ?? null];
};
for await (const line of lines) {
  const { flags, users, variants } = JSON.parse(line);
  const ask = variants ? variant : (flag, user) => unleash.isEnabled(flag, user);
  say(flags.map((flag) => users.map((user) => ask(flag, user))));
}
await unleash.destroyWithFlush();
