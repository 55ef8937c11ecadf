package orderflow.spring.mails;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.function.Function;

/** Arrays for unnest. The driver writes them as text, which the statements cast. */
final class Columns {
    private Columns() {}

    static <T> String[] texts(List<T> rows, Function<T, Object> column) {
        return rows.stream().map(column).map(value -> value == null ? null : value.toString()).toArray(String[]::new);
    }

    static Instant time(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS);
    }
}
