// A grpc-js client that knows only the address: it asks the server for its own description
// (grpc.reflection.v1) and calls every RPC with what it learnt. Prints "ok ..." or "not ok ..." a
// check and "end" at the end.
'use strict';

const grpc = require('@grpc/grpc-js');
const { SERVICE, ERROR_INFO, credentials, deadline, ask, learn } = require('./learn');

const [target, sessionToCancel] = process.argv.slice(2);

function check(condition, sentence, detail) {
  console.log(`${condition ? 'ok' : 'not ok'} grpc-js: ${sentence}`);
  if (!condition) console.log(`    ${JSON.stringify(detail)}`);
}

function details(definition, error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const decode = (type, value) => definition[type].deserialize(value);
  const status = decode('google.rpc.Status', bytes);
  return status.details
    .filter((any) => any.type_url.endsWith(ERROR_INFO))
    .map((any) => decode(ERROR_INFO, any.value))[0];
}

async function callAll(call, definition) {
  const groups = (await call('ListScalingGroups', {})).scaling_groups;
  check(groups.map((g) => g.name).join() === 'gpu,lab', 'ListScalingGroups', groups);
  const queue = await call('ListPendingSessions', { scaling_group: 'gpu', page_size: 3 });
  check(queue.sessions.length === 3 && queue.next_page_token, 'ListPendingSessions', queue);
  const preview = await call('PreviewAllocation', { session_id: queue.sessions[0].session_id });
  check(preview.verdict === 'PREVIEW_VERDICT_FITS', 'PreviewAllocation', preview);
  const cancelled = await call('CancelSession', { session_id: sessionToCancel });
  check(cancelled.status === 'CANCELLED', 'CancelSession', cancelled);
  const round = await call('ScheduleScalingGroup', { scaling_group: 'gpu' });
  check(round.counts.scheduled > 0, 'ScheduleScalingGroup', round.counts);
  const error = await call('CancelSession', { session_id: 'x' }).catch((e) => e);
  const info = details(definition, error);
  check(
    error.code === grpc.status.INVALID_ARGUMENT && info.domain === 'berth.v1' && info.reason,
    'error details decode',
    [error, info],
  );
}

// Reads a watch until `enough` events came; answers them and the last cursor.
function watch(client, request, enough) {
  return new Promise((resolve, reject) => {
    const stream = client.WatchEvents(request, deadline());
    const events = [];
    stream.on('data', (answer) => {
      events.push(...answer.events);
      if (events.length >= enough) {
        resolve({ events, cursor: answer.cursor });
        stream.cancel();
      }
    });
    stream.on('error', (error) => {
      if (error.code !== grpc.status.CANCELLED) reject(error);
    });
  });
}

async function watchAll(client, call) {
  const first = await watch(client, { start: 'WATCH_START_BEGINNING' }, 5);
  await call('ScheduleScalingGroup', { scaling_group: 'lab' });
  const rest = await watch(client, { resume_cursor: first.cursor }, 5);
  const key = (event) => `${event.scaling_group}/${event.sequence}`;
  const seen = new Set(first.events.map(key));
  check(!rest.events.some((e) => seen.has(key(e))), 'WatchEvents resumes after its cursor', rest);
}

async function main() {
  const plain = new grpc.Client(target, credentials);
  const listed = (await ask(plain, { listServices: '*' })).services.service.map((s) => s.name);
  check(listed.includes(SERVICE), 'reflection lists the service', listed);
  const definition = await learn(plain);
  check(Object.keys(definition[SERVICE]).length === 6, 'reflection describes six RPCs', listed);
  const Service = grpc.loadPackageDefinition(definition).berth.v1.SchedulerService;
  const client = new Service(target, credentials);
  const call = (name, request) =>
    new Promise((resolve, reject) => {
      client[name](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  await callAll(call, definition);
  await watchAll(client, call);
  client.close();
  plain.close();
  console.log('end');
}

main().catch((error) => {
  console.log(`not ok grpc-js: runs to its end\n    ${error.stack}`);
  process.exitCode = 1;
});
