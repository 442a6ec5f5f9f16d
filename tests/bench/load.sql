-- A year of a shop group: orders with 5 entries and 5 messages each, one attempt a message. Of the last orders some are
-- pending, and some messages of unknown outcome; what failed was seen to within a week. Of every tenth order the customer
-- wrote back, and one store's own system was told of what happened in the last month. Of what a large shop has a page full of,
-- a small one has so too: 360 orders are not completed, the first 50 customers have the same name and the same end of their
-- phones. It replaces whatever orders there were; %(orders)s and %(customers)s are numbers that `tests/bench/load.py` puts in. Triggers and foreign keys are left aside, which needs a superuser.
SET session_replication_role = replica;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
SET work_mem = '128MB';
TRUNCATE orders_order, orders_customer, integrations_notificationlog, integrations_deliveryattempt, integrations_webhookevent, integrations_evolutioninstance, orders_store RESTART IDENTITY CASCADE;
INSERT INTO orders_store(name, phone, pickup_address, pickup_days, pickup_until, is_default)
  SELECT 'Loja '||i, '', 'Rua A, '||i, 7, '18:00', i = 1 FROM generate_series(1, 8) i;
INSERT INTO integrations_evolutioninstance(store_id, name, is_default, messages_per_minute, daily_cap, state)
  SELECT i, 'i'||(i-1), true, 0, 0, 'open' FROM generate_series(1, 8) i;
INSERT INTO orders_customer(name, phone, cpf, opted_out_how, created_at, store_id)
  SELECT CASE WHEN i <= 50 THEN 'Maria da Silva Rocha' ELSE (ARRAY['Maria','José','Ana','João','Antônia','Francisco','Adriana','Carlos','Juliana','Paulo','Márcia','Pedro','Fernanda','Lucas','Patrícia','Luiz','Aline','Marcos','Sandra','Gabriel','Camila','Rafael','Amanda','Daniel','Bruna','Marcelo','Jéssica','Bruno','Letícia','Eduardo'])[1+(i*7)%%30]
   ||' '||(ARRAY['da Silva','dos Santos','Oliveira','de Souza','Rodrigues','Ferreira','Alves','Pereira','Lima','Gomes','Costa','Ribeiro','Martins','Carvalho','Almeida','Lopes','Soares','Fernandes','Vieira','Barbosa'])[1+(i/30)%%20]
   ||' '||(ARRAY['Rocha','Dias','Nascimento','Andrade','Moreira','Nunes','Marques','Machado','Mendes','Freitas','Cardoso','Ramos','Gonçalves','Santana','Teixeira','Zanella','Quaresma'])[1+(i/600)%%17] END,
   '+55'||(ARRAY['11','21','31','41','51','61','71','81'])[1+i%%8]||'9'||(60000000+CASE WHEN i <= 50 THEN i*10000 ELSE (i*7919::bigint)%%39999999 END)::text,
   '', '', now() - (%(customers)s - i) * interval '365 days' / %(customers)s, 1+i%%8 FROM generate_series(1, %(customers)s) i;
INSERT INTO orders_order(code, status, payment_status, delivery_status, delivery_method, delivery_address, delivery_attempts, tracking_code, tracking_url, tracking_token, pickup_code, pickup_deadline, total, notes, created_at, customer_id, store_id)
  SELECT translate(upper(substr(md5('c'||i), 1, 3)||lpad(to_hex(i), 5, 'Z')), '01', 'XY'), st,
    CASE st WHEN 'pending' THEN 'pending' WHEN 'cancelled' THEN 'pending' ELSE 'paid' END, dl, m, 'Rua das Flores, '||i%%900||', Centro, São Paulo', 0,
    CASE WHEN m LIKE 'correios%%' AND dl <> 'pending' THEN 'AA'||lpad(i::text, 9, '0')||'BR' ELSE '' END, '', md5('t'||i), lpad((i%%10000)::text, 4, '0'),
    CASE WHEN dl = 'ready_for_pickup' THEN now() + interval '3 days' END, 20 + (i*37)%%500, '', ts, 1 + (i*31)%%%(customers)s, 1 + (1 + (i*31)%%%(customers)s)%%8
  FROM (SELECT i, ts, m, st, CASE WHEN st IN ('pending','cancelled') THEN 'pending'
          WHEN st = 'confirmed' THEN CASE WHEN m='pickup' THEN 'ready_for_pickup' WHEN i%%3=0 THEN 'pending' ELSE 'shipped' END
          ELSE CASE WHEN m='pickup' THEN 'picked_up' ELSE 'delivered' END END dl
        FROM (SELECT i, now() - (%(orders)s - i) * interval '365 days' / %(orders)s ts,
                (ARRAY['courier','courier','correios_pac','correios_sedex','pickup'])[1+i%%5] m,
                CASE WHEN i > %(orders)s - GREATEST(%(orders)s / 100, LEAST(%(orders)s / 2, 360)) THEN (ARRAY['pending','confirmed','confirmed'])[1+i%%3] WHEN i%%20=7 THEN 'cancelled' WHEN i%%50=9 THEN 'returned' ELSE 'completed' END st
              FROM generate_series(1, %(orders)s) i) a) b;
INSERT INTO orders_orderitem(description, quantity, unit_price, order_id) SELECT 'Camiseta azul '||k, 1+k, 29.90, i FROM generate_series(1, %(orders)s) i, generate_series(1, 2) k;
INSERT INTO orders_orderevent(transition, from_status, status, from_payment_status, payment_status, from_delivery_status, delivery_status, note, created_at, order_id)
  SELECT (ARRAY['create','confirm','pay','ship','deliver'])[k], (ARRAY['','pending','confirmed','confirmed','confirmed'])[k], (ARRAY['pending','confirmed','confirmed','confirmed','completed'])[k],
    (ARRAY['','pending','pending','paid','paid'])[k], (ARRAY['pending','pending','paid','paid','paid'])[k], (ARRAY['','pending','pending','pending','shipped'])[k], (ARRAY['pending','pending','pending','shipped','delivered'])[k],
    '', now() - (%(orders)s - i) * interval '365 days' / %(orders)s + (k-1) * interval '3 hours', i FROM generate_series(1, %(orders)s) i, generate_series(1, 5) k ORDER BY i, k;
INSERT INTO integrations_notificationlog(status, event, dedupe_key, recipient, snapshot, message, provider_message_id, attempts, next_attempt_at, expires_at, error_code, error_message, celery_task_id, claim_token, first_attempt_at, created_at, sent_at, delivered_at, read_at, receipt, instance_id, order_id, order_event_id, store_id, blocked, dismissed_at)
  SELECT st, ev, 'event:'||n||':'||ev, phone, jsonb_build_object('version',1,'event',ev,'occurred_at',ts,'reason','',
      'order', jsonb_build_object('id',oid,'code',code,'status','confirmed','payment_status','paid','delivery_status','shipped','delivery_method','courier','delivery_address',delivery_address,'delivery_attempts',0,'total',total,
        'items', jsonb_build_array(jsonb_build_object('description','Camiseta azul 1','quantity',2,'unit_price','29.90'), jsonb_build_object('description','Camiseta azul 2','quantity',3,'unit_price','29.90')),
        'tracking_code',tracking_code,'tracking_link','','tracking_token',tracking_token,'pickup_code',pickup_code,'pickup_deadline',''),
      'customer', jsonb_build_object('id',cid,'name',cname,'phone',phone), 'store', jsonb_build_object('id',sid,'name','Loja '||sid,'phone','','pickup_address','Rua A')),
    CASE WHEN st='pending' THEN '' ELSE 'Olá, '||split_part(cname,' ',1)||'! Seu pedido '||code||' da Loja '||sid||' mudou: agora está '||ev||'. Acompanhe em https://loja.example.com.br/rastreio/'||tracking_token||'/ Responda SAIR para não receber mais mensagens. ('||n||')' END,
    CASE WHEN st='sent' THEN '3EB0'||upper(substr(md5('m'||n),1,18)) ELSE '' END, CASE WHEN st='pending' THEN 0 ELSE 1 END, CASE WHEN st='pending' THEN now()+interval '1 hour' ELSE ts END, CASE WHEN st IN ('pending','unknown') THEN now()+interval '20 hours' ELSE ts+interval '1 day' END,
    CASE st WHEN 'failed' THEN 'not_on_whatsapp' WHEN 'skipped' THEN 'opted_out' WHEN 'unknown' THEN 'read_timeout' ELSE '' END, CASE st WHEN 'failed' THEN 'O número não tem WhatsApp.' WHEN 'skipped' THEN 'O cliente não quer mensagens.' ELSE '' END,
    CASE WHEN st='pending' THEN '' ELSE md5('a'||n) END, CASE WHEN st='pending' THEN NULL ELSE md5('b'||n)::uuid END, CASE WHEN st='pending' THEN NULL ELSE ts END, ts,
    CASE WHEN st='sent' THEN ts+interval '2 s' END, CASE WHEN st='sent' AND n%%10<9 THEN ts+interval '5 s' END, CASE WHEN st='sent' AND n%%10<6 THEN ts+interval '5 min' END,
    CASE WHEN st='sent' THEN CASE WHEN n%%10<6 THEN 'read' WHEN n%%10<9 THEN 'delivery_ack' ELSE 'server_ack' END ELSE '' END, sid, oid, n, sid, st = 'pending' AND ev <> 'create',
    CASE WHEN st='failed' AND ts < now() - interval '7 days' THEN ts + interval '1 day' END
  FROM (SELECT e.id n, e.transition ev, e.created_at ts, o.id oid, o.code, o.total, o.tracking_code, o.tracking_token, o.pickup_code, o.delivery_address, c.id cid, c.name cname, c.phone, o.store_id sid,
     CASE WHEN e.id > %(orders)s * 5 - 40 THEN 'pending' WHEN e.id > %(orders)s * 5 - 52 THEN 'unknown' WHEN e.id%%83=0 THEN 'failed' WHEN e.id%%131=0 THEN 'skipped' ELSE 'sent' END st
   FROM orders_orderevent e JOIN orders_order o ON o.id=e.order_id JOIN orders_customer c ON c.id=o.customer_id ORDER BY e.id) x;
INSERT INTO integrations_deliveryattempt(claim_token, started_at, duration, outcome, error_code, http_status, response_body, notification_id, kind, provider_message_id)
  SELECT claim_token, first_attempt_at, interval '250 ms', CASE status WHEN 'sent' THEN 'sent' WHEN 'failed' THEN 'permanent' ELSE 'unknown' END, error_code, CASE status WHEN 'sent' THEN 201 ELSE 400 END,
    '{"key":{"remoteJid":"5511999999999@s.whatsapp.net","fromMe":true,"id":"'||provider_message_id||'"},"message":{"conversation":"'||message||'"},"messageTimestamp":"1717775575","status":"PENDING"}', id, 'send', provider_message_id
  FROM integrations_notificationlog WHERE status IN ('sent','failed','unknown') ORDER BY id;
-- a week of receipts, all worked off
INSERT INTO integrations_webhookevent(source, instance_name, event, payload, received_at, due_at, processed_at, error)
  SELECT 'evolution', 'i'||(instance_id-1), 'messages.update', jsonb_build_object('event','messages.update','data',jsonb_build_object('keyId',provider_message_id,'status','READ')), sent_at, sent_at, sent_at, ''
  FROM integrations_notificationlog WHERE status='sent' AND created_at > now() - interval '14 days';
-- the last ones wait for an answer
INSERT INTO integrations_customerreply(instance_id, customer_id, order_id, provider_message_id, kind, text, received_at, handled_at)
  SELECT o.store_id, o.customer_id, o.id, 'R'||o.id, 'text', 'Quando chega o pedido '||o.code||'?', o.created_at + interval '1 hour', CASE WHEN o.id <= %(orders)s - 300 THEN o.created_at + interval '2 hours' END
  FROM orders_order o WHERE o.id %% 10 = 0 ORDER BY o.id;
-- off, so that what other scripts do is told to nobody
INSERT INTO outgoing_endpoint(store_id, description, url, kinds, with_phone, secret, former_secret, is_on, off_reason, last_error)
  VALUES (1, 'ERP', 'https://erp.example.com/', '[]', false, '', '', false, '', '');
INSERT INTO outgoing_outgoingevent(endpoint_id, kind, order_id, payload, state, attempts, created_at)
  SELECT (SELECT id FROM outgoing_endpoint), e.transition, o.id, jsonb_build_object('code', o.code), 'delivered', 1, e.created_at
  FROM orders_orderevent e JOIN orders_order o ON o.id = e.order_id WHERE o.store_id = 1 AND e.created_at > now() - interval '30 days' ORDER BY e.id;
