// The chain in the usual style of Kafka Streams: serdes that convert JSON to objects, the state as an object, default client settings.
//
// Invariant: the arithmetic is the same as in `chain.rs`.
// Not here: settings and the measurement (`Streams.java`), the chain tuned for speed (`Tuned.java`).

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

final class Plain implements Processor<String, Plain.Line, String, Plain.Prediction> {
    @JsonIgnoreProperties(ignoreUnknown = true)
    record Line(
        @JsonProperty("game_id") String gameId, String player, int min, int pts, int fgm, int fga, int fg3a, int fta,
        int oreb, int dreb, int ast, int stl, int blk, int tov) {
        int[] stats() {
            return new int[] {min, pts, fgm, fga, fg3a, fta, oreb, dreb, ast, stl, blk, tov};
        }
    }

    record Prediction(int player, @JsonProperty("game_id") String gameId, int games, long score) {}

    /** The statistics of one player's last games, and the sum of each statistic over these games. */
    public static final class Form {
        public int played;
        public int[] sums = new int[Streams.STATS];
        public int[][] games = new int[Streams.GAMES][Streams.STATS];

        void add(int[] stats) {
            int[] slot = games[played % Streams.GAMES];
            for (int stat = 0; stat < Streams.STATS; stat++) sums[stat] += stats[stat] - slot[stat];
            games[played % Streams.GAMES] = stats;
            played++;
        }

        long score() {
            int games = Math.min(played, Streams.GAMES);
            double score = Streams.BIAS;
            for (int stat = 0; stat < Streams.STATS; stat++) score += Streams.WEIGHTS[stat] * ((double) sums[stat] / games);
            return (long) Math.floor(score * 1000.0 + 0.5);
        }
    }

    static final ObjectMapper MAPPER = new ObjectMapper();

    static <T> Serde<T> json(Class<T> type) {
        var reader = MAPPER.readerFor(type);
        var writer = MAPPER.writerFor(type);
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : writer.writeValueAsBytes(value);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : reader.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }

    final Streams.Watch watch;
    ProcessorContext<String, Prediction> context;
    KeyValueStore<Integer, Form> forms;

    Plain(Streams.Watch watch) {
        this.watch = watch;
    }

    @Override
    public void init(ProcessorContext<String, Prediction> context) {
        this.context = context;
        forms = context.getStateStore(Streams.STORE);
    }

    @Override
    public void process(Record<String, Line> record) {
        Line line = record.value();
        Integer id = Streams.IDS.get(line.player());
        if (id == null) throw new IllegalStateException("unknown player " + line.player());
        Form form = forms.get(id);
        if (form == null) form = new Form();
        form.add(line.stats());
        forms.put(id, form);
        int games = Math.min(form.played, Streams.GAMES);
        context.forward(record.withValue(new Prediction(id, line.gameId(), games, form.score())));
        watch.count();
    }

    static void build(StreamsBuilder builder, Streams.Watch watch) {
        var store = Stores.inMemoryKeyValueStore(Streams.STORE);
        builder.addStateStore(Stores.keyValueStoreBuilder(store, Serdes.Integer(), json(Form.class)).withCachingEnabled());
        builder.stream(Streams.LINES, Consumed.with(Serdes.String(), json(Line.class)))
            .process(() -> new Plain(watch), Streams.STORE)
            .to("peers.streams", Produced.with(Serdes.String(), json(Prediction.class)));
    }
}
