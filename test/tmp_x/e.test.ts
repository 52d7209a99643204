import { test } from 'vitest'
import { numbers, session, run } from '../helpers/graph.js'
test('x', async () => {
  const [b,t,m] = process.env.BTM!.split(',').map(Number)
  const s = await session((g, s, a) => g.scan(s,[a], (b,st,[x]) => {const n=b.add(st,x!);return{state:n,output:n}}), [{type:'float32',dims:['b','m']},{type:'float32',dims:['b','t','m']}], {type:'float32',dims:['b','t','m']})
  console.log(JSON.stringify(await run(s, [numbers(b!,m!), numbers(b!,t!,m!)])))
})
