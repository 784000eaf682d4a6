import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.hive.ql.parse.ParseDriver;
import org.apache.hadoop.hive.ql.parse.ParseException;

/** Reads statements, each ended by a NUL, and reports the first that Hive does not parse. */
public final class Parse {
    public static void main(String[] args) throws IOException {
        String input = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        int parsed = 0;
        for (String statement : input.split("\0")) {
            try {
                new ParseDriver().parse(statement, null, (String) null);
            } catch (ParseException exception) {
                System.err.println(exception.getMessage() + "\nin: " + statement);
                System.exit(1);
            }
            parsed++;
        }
        System.out.println(parsed);
    }
}
