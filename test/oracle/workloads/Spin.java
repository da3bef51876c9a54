// JIT-compiled Java; run it with -XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit (the JVM then leaves /tmp/perf-PID.map).
//
//   java Spin MILLISECONDS
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public final class Spin {
  interface Shape {
    double area();
  }

  record Square(double side) implements Shape {
    public double area() {
      return side * side;
    }
  }

  static final class Counter {
    private final Map<String, Integer> counts = new HashMap<>();

    void count(List<String> words) {
      for (String word : words) counts.merge(word, 1, Integer::sum);
    }
  }

  static int fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
  }

  static double areas(int n) {
    List<Shape> shapes = new ArrayList<>();
    for (int i = 0; i < n; i++) shapes.add(new Square(i));
    return shapes.stream().mapToDouble(Shape::area).sum();
  }

  static int sortWords(int n) {
    List<String> words = new ArrayList<>();
    for (int i = 0; i < n; i++) words.add("word " + (i * 7919 % n));
    words.sort(String::compareTo);
    Counter counter = new Counter();
    counter.count(words);
    return counter.counts.size();
  }

  public static void main(String[] arguments) {
    long end = System.currentTimeMillis() + (arguments.length > 0 ? Long.parseLong(arguments[0]) : 1000);
    double result = 0;
    while (System.currentTimeMillis() < end) result += fibonacci(22) + areas(500) + sortWords(500);
    System.out.println("pid " + ProcessHandle.current().pid());
    System.out.println(result);
  }
}
