// The Kafka Streams peers: exactly_once_v2, an in-memory store with caching, one commit per second.
//
// Usage: `Streams PEER BROKERS RECORDS WARM FOLDER`.
// There are two peers because the style has a large effect on speed: `streams` is in the usual style (`Plain.java`), `streams-tuned` is
// tuned for speed (`Tuned.java`).
// Invariant: only records after the warm-up records are measured, in the JVM that processed the warm-up records. Closing commits the last
// records, so it is measured, too.
// Not here: the input lines and the check of the output (`peers.rs`), the table of results (`run`).

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;

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
    static final String LINES = "peers.lines";
    static final String STORE = "forms";

    static final Map<String, Integer> IDS = new HashMap<>();

    static {
        for (int player = 0; player < PLAYERS; player++)
            IDS.put(FIRST[player % FIRST.length] + " " + LAST[player / FIRST.length], player);
    }

    /** Counts all records, and starts the clocks after the warm-up records. */
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

    static Properties settings(String brokers, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "peers-streams-" + ProcessHandle.current().pid());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put("auto.offset.reset", "earliest");
        return settings;
    }

    public static void main(String[] arguments) throws InterruptedException {
        Watch watch = new Watch(Long.parseLong(arguments[2]), Long.parseLong(arguments[3]));
        Properties settings = settings(arguments[1], arguments[4]);
        StreamsBuilder builder = new StreamsBuilder();
        switch (arguments[0]) {
            case "streams" -> Plain.build(builder, watch);
            case "streams-tuned" -> Tuned.build(builder, watch, settings);
            default -> throw new IllegalArgumentException("unknown peer " + arguments[0]);
        }
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        watch.done.await();
        // Closing commits the last output, so it is part of the measurement.
        if (!streams.close(Duration.ofSeconds(60))) throw new IllegalStateException("Kafka Streams did not close within 60 s");
        watch.report();
    }
}
