// The chain tuned for speed: a pull parser (reads the JSON token by token and creates no objects for lines), and the state as one byte
// array, which is copied once per line.
//
// Invariant: the arithmetic is the same as in `chain.rs`.
// Not here: settings and the measurement (`Streams.java`), the chain in the usual style (`Plain.java`).

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** The chain of one task. The state of a player is the number of games played, twelve sums, and twelve numbers for each of ten games. */
final class Tuned implements Processor<byte[], byte[], byte[], byte[]> {
    /** For each field that is summed, its index in `stats`. Other fields are skipped. */
    static final Map<String, Integer> COLUMN = new HashMap<>();

    static {
        String[] columns = {"min", "pts", "fgm", "fga", "fg3a", "fta", "oreb", "dreb", "ast", "stl", "blk", "tov"};
        for (int column = 0; column < Streams.STATS; column++) COLUMN.put(columns[column], column);
    }

    static final int SUMS = 4;
    static final int RING = SUMS + 4 * Streams.STATS;
    static final int SIZE = RING + 2 * Streams.STATS * Streams.GAMES;
    final JsonFactory json = new JsonFactory();
    final int[] stats = new int[Streams.STATS];
    final StringBuilder out = new StringBuilder(96);
    final Streams.Watch watch;
    ProcessorContext<byte[], byte[]> context;
    KeyValueStore<Integer, byte[]> forms;
    String player;
    String game;

    Tuned(Streams.Watch watch) {
        this.watch = watch;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        forms = context.getStateStore(Streams.STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        parse(record.value());
        Integer id = Streams.IDS.get(player);
        if (id == null) throw new IllegalStateException("unknown player " + player);
        byte[] before = forms.get(id);
        byte[] after = before == null ? new byte[SIZE] : before.clone();
        ByteBuffer form = ByteBuffer.wrap(after);
        int played = form.getInt(0), slot = RING + played % Streams.GAMES * 2 * Streams.STATS;
        int games = Math.min(played + 1, Streams.GAMES);
        double score = Streams.BIAS;
        for (int stat = 0; stat < Streams.STATS; stat++) {
            int sum = form.getInt(SUMS + 4 * stat) + stats[stat] - form.getShort(slot + 2 * stat);
            form.putInt(SUMS + 4 * stat, sum);
            form.putShort(slot + 2 * stat, (short) stats[stat]);
            score += Streams.WEIGHTS[stat] * ((double) sum / games);
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

    static void build(StreamsBuilder builder, Streams.Watch watch, Properties settings) {
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.put("max.poll.records", 10_000);
        settings.put("fetch.min.bytes", 100_000);
        settings.put("fetch.max.wait.ms", 100);
        settings.put("producer.batch.size", 1 << 18);
        settings.put("producer.linger.ms", 20);
        var store = Stores.inMemoryKeyValueStore(Streams.STORE);
        builder.addStateStore(Stores.keyValueStoreBuilder(store, Serdes.Integer(), Serdes.ByteArray()).withCachingEnabled());
        builder.stream(Streams.LINES, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .process(() -> new Tuned(watch), Streams.STORE)
            .to("peers.streams-tuned", Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    }
}
