// The chain of `chain.rs` on Kafka Streams: exactly_once_v2, an in-memory store with caching, a commit a second.
//
// Written as a Streams user who cares for speed would: a pull parser instead of data binding, the state one byte array, batches enlarged.
// Invariant: the same arithmetic in the same order as `chain.rs`; only records after the warm ones are measured, in the same JVM.
// Not here: the lines, the check of the output (`peers`), the table (`run`).

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class Streams {
    static final int PLAYERS = 600;
    static final int GAMES = 10;
    static final int STATS = 12;
    static final double BIAS = 0.75;
    static final double[] WEIGHTS = {
        0.0625, 0.5, 0.125, 0.1875, 0.03125, 0.25, -0.0625, 0.015625, 0.09375, 0.046875, -0.03125, -0.125
    };
    static final String[] FIRST = {
        "Ardan", "Belo", "Ciro", "Dario", "Eniko", "Farid", "Goran", "Hakim", "Iven", "Jovan", "Kasim", "Lorik", "Milo",
        "Nadir", "Orin", "Pavle", "Quill", "Radek", "Silas", "Tomaž", "Ugo", "Viktor", "Wendel", "Xavi", "Yannis", "Zoran",
        "Amadou", "Bojan", "Cédric", "Dušan"
    };
    static final String[] LAST = {
        "Abernathy", "Bergström", "Castellane", "Donovan", "Eriksen", "Fofana", "Galanis", "Hargreave", "Ibarra", "Jelić",
        "Kowalczyk", "Lindqvist", "Marchetti", "Novak", "Okonkwo", "Petrović", "Quintana", "Rasmussen", "Sandoval", "Traoré"
    };
    static final String STORE = "forms";

    /** Where each summed number stands; the names of other fields are skipped. */
    static final Map<String, Integer> COLUMN = new HashMap<>();
    static final Map<String, Integer> IDS = new HashMap<>();

    static {
        String[] columns = {"min", "pts", "fgm", "fga", "fg3a", "fta", "oreb", "dreb", "ast", "stl", "blk", "tov"};
        for (int column = 0; column < STATS; column++) COLUMN.put(columns[column], column);
        for (int player = 0; player < PLAYERS; player++)
            IDS.put(FIRST[player % FIRST.length] + " " + LAST[player / FIRST.length], player);
    }

    /** Counts all records, and starts the clocks after the warm ones. */
    static final class Watch {
        static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        final CountDownLatch done = new CountDownLatch(1);
        final long records;
        final long warm;
        long seen;
        long started;
        long cpu;

        Watch(long records, long warm) {
            this.records = records;
            this.warm = warm;
        }

        void count() {
            seen++;
            if (seen == warm) {
                started = System.nanoTime();
                cpu = SYSTEM.getProcessCpuTime();
            }
            if (seen == records) done.countDown();
        }

        void report() {
            double seconds = (System.nanoTime() - started) / 1e9, spent = (SYSTEM.getProcessCpuTime() - cpu) / 1e9;
            System.out.printf(Locale.ROOT, "{\"records\":%d,\"seconds\":%.3f,\"cpu\":%.3f}%n", records - warm, seconds, spent);
        }
    }

    /** One task's chain. Its state per player: games played, twelve sums, ten games of twelve numbers. */
    static final class Chain implements Processor<byte[], byte[], byte[], byte[]> {
        static final int SUMS = 4;
        static final int RING = SUMS + 4 * STATS;
        static final int SIZE = RING + 2 * STATS * GAMES;
        final JsonFactory json = new JsonFactory();
        final int[] stats = new int[STATS];
        final StringBuilder out = new StringBuilder(96);
        final Watch watch;
        ProcessorContext<byte[], byte[]> context;
        KeyValueStore<Integer, byte[]> forms;
        String player;
        String game;

        Chain(Watch watch) {
            this.watch = watch;
        }

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            forms = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            parse(record.value());
            Integer id = IDS.get(player);
            if (id == null) throw new IllegalStateException("nobody is called " + player);
            byte[] before = forms.get(id);
            byte[] after = before == null ? new byte[SIZE] : before.clone();
            ByteBuffer form = ByteBuffer.wrap(after);
            int played = form.getInt(0), slot = RING + played % GAMES * 2 * STATS;
            int games = Math.min(played + 1, GAMES);
            double score = BIAS;
            for (int stat = 0; stat < STATS; stat++) {
                int sum = form.getInt(SUMS + 4 * stat) + stats[stat] - form.getShort(slot + 2 * stat);
                form.putInt(SUMS + 4 * stat, sum);
                form.putShort(slot + 2 * stat, (short) stats[stat]);
                score += WEIGHTS[stat] * ((double) sum / games);
            }
            form.putInt(0, played + 1);
            forms.put(id, after);
            out.setLength(0);
            out.append("{\"player\":").append(id.intValue()).append(",\"game_id\":\"").append(game);
            out.append("\",\"games\":").append(games).append(",\"score\":").append((long) Math.floor(score * 1000.0 + 0.5)).append('}');
            context.forward(record.withValue(out.toString().getBytes(StandardCharsets.UTF_8)));
            watch.count();
        }

        void parse(byte[] line) {
            try (JsonParser parser = json.createParser(line)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String field = parser.currentName();
                    parser.nextToken();
                    Integer column = COLUMN.get(field);
                    if (column != null) stats[column] = parser.getIntValue();
                    else if (field.equals("player")) player = parser.getText();
                    else if (field.equals("game_id")) game = parser.getText();
                }
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    static Properties settings(String brokers, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "peers-streams-" + ProcessHandle.current().pid());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 10_000);
        settings.put("fetch.min.bytes", 100_000);
        settings.put("fetch.max.wait.ms", 100);
        settings.put("producer.batch.size", 1 << 18);
        settings.put("producer.linger.ms", 20);
        return settings;
    }

    public static void main(String[] arguments) throws InterruptedException {
        Watch watch = new Watch(Long.parseLong(arguments[1]), Long.parseLong(arguments[2]));
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.Integer(), Serdes.ByteArray()).withCachingEnabled());
        builder.stream("peers.lines", Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .process(() -> new Chain(watch), STORE)
            .to("peers.streams", Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments[0], arguments[3]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        watch.done.await();
        // Closing commits, so that what was produced is visible: part of the work.
        if (!streams.close(Duration.ofSeconds(60))) throw new IllegalStateException("not closed after 60 s");
        watch.report();
    }
}
