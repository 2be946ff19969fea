using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Tools;

public class CalculatorTests
{
    [Theory]
    [InlineData("1 + 2 * 3", "7")]
    [InlineData("(1 + 2) * 3", "9")]
    [InlineData("7 - 2 - 1", "4")]
    [InlineData("100 / 10 / 2", "5")]
    [InlineData("0.1 + 0.2", "0.3")]
    [InlineData("1/4", "0.25")]
    [InlineData("10/4*4", "10")]
    [InlineData("2^10", "1024")]
    [InlineData("2**10", "1024")]
    [InlineData("2^3^2", "512")]
    [InlineData("-2^2", "-4")]
    [InlineData("(-2)^2", "4")]
    [InlineData("2^-2", "0.25")]
    [InlineData("--5", "5")]
    [InlineData("+5 - -3", "8")]
    [InlineData("17 % 5", "2")]
    [InlineData("-17 % 5", "-2")]
    [InlineData("5.5 % 2", "1.5")]
    [InlineData("12345678901234567890 * 3", "37037036703703703670")]
    [InlineData("2^90", "1237940039285380274899124224")]
    [InlineData("0.000000000001 * 3", "0.000000000003")]
    [InlineData("1e3 + 2.5E-1 + .75", "1001")]
    [InlineData("2^100", "1.2676506002282294E+30")]
    [InlineData("1e-20 * 2", "2E-20")]
    [InlineData("sqrt(16) + abs(-3)", "7")]
    [InlineData("round(2.5) + round(-2.5)", "0")]
    [InlineData("round(3.14159, 2)", "3.14")]
    [InlineData("floor(-1.5) + ceil(1.2) + trunc(-1.9)", "-1")]
    [InlineData("min(3, 1, 2) + max(1, 5)", "6")]
    [InlineData("sum(1,2,3,4)", "10")]
    [InlineData("pow(2, 8)", "256")]
    [InlineData("log10(1000) + log2(8)", "6")]
    [InlineData("ln(e)", "1")]
    [InlineData("cos(pi)", "-1")]
    [InlineData("SQRT( 9 )", "3")]
    [InlineData("（１＋２）×３÷２", "4.5")]
    [InlineData("5 − 7", "-2")]
    [InlineData("1.10", "1.1")]
    [InlineData("0^0", "1")]
    [InlineData("0 * 123", "0")]
    public void Evaluate_calculates(string expression, string expected)
        => Assert.Equal(expected, Calculator.Evaluate(expression));

    [Theory]
    [InlineData("sqrt(2)", 1.4142135623730951)]
    [InlineData("exp(1)", Math.E)]
    [InlineData("sin(1) + cos(1) + tan(1)", 2.939181015330939)]
    [InlineData("asin(0.5) + acos(0.5) + atan(0.5)", 2.0344439357957027)]
    [InlineData("cbrt(10)", 2.154434690031884)]
    [InlineData("log(8, 4)", 1.5)]
    [InlineData("1/3", 1.0 / 3)]
    [InlineData("2^0.5", 1.4142135623730951)]
    public void Evaluate_agrees_with_double_precision(string expression, double expected)
        => Assert.Equal(expected, double.Parse(Calculator.Evaluate(expression), System.Globalization.CultureInfo.InvariantCulture), 1e-14);

    [Theory]
    [InlineData("", 1, "empty")]
    [InlineData("  ", 3, "empty")]
    [InlineData("1 +", 4, "missing at the end")]
    [InlineData("1 2", 3, "an operator")]
    [InlineData("2x", 2, "an operator")]
    [InlineData("1,234", 2, "without it")]
    [InlineData("(1 + 2", 1, "not closed")]
    [InlineData("1 + 2)", 6, "no opening one")]
    [InlineData("1 / 0", 3, "division by zero")]
    [InlineData("1 % (2-2)", 3, "division by zero")]
    [InlineData("0^-1", 2, "division by zero")]
    [InlineData("50%", 3, "percent")]
    [InlineData("sqrt(-1)", 1, "no value")]
    [InlineData("(-8)^(1/3)", 5, "no value")]
    [InlineData("ln(0)", 1, "infinite")]
    [InlineData("10^400", 3, "too large")]
    [InlineData("1e999", 1, "too large")]
    [InlineData("9^9^9^9", 4, "too large")]
    [InlineData("foo(1)", 1, "'foo' is not known")]
    [InlineData("System.IO", 1, "'System' is not known")]
    [InlineData("sqrt 4", 1, "in parentheses")]
    [InlineData("sqrt(1, 2)", 1, "wants 1 arguments, but has 2")]
    [InlineData("log(5)", 1, "log10(x)")]
    [InlineData("round(1, 1.5)", 1, "no value")]
    [InlineData("* 3", 1, "not understood")]
    [InlineData(".", 1, "a point alone")]
    [InlineData("1 = 1", 3, "an equation")]
    [InlineData("1 < 2", 3, "'<' is not understood")]
    public void Evaluate_says_where_and_what(string expression, int position, string part)
    {
        var error = Assert.Throws<CalculatorException>(() => Calculator.Evaluate(expression));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.Equal(position, error.Position);
    }

    [Theory]
    [InlineData("(")]
    [InlineData("-")]
    [InlineData("2^")]
    [InlineData("abs(")]
    public void Evaluate_refuses_deep_and_long_expressions(string piece)
    {
        Assert.Throws<CalculatorException>(() => Calculator.Evaluate(string.Concat(Enumerable.Repeat(piece, 1900 / piece.Length)) + "1"));
        Assert.Throws<CalculatorException>(() => Calculator.Evaluate(string.Concat(Enumerable.Repeat(piece, 100_000)) + "1"));
    }

    [Fact]
    public void Evaluate_agrees_with_a_second_way_on_random_expressions()
    {
        // Whole numbers with + - * alone have one exact value, which 64-bit integers hold here.
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            var (text, value) = Write(4);
            Assert.Equal(value.ToString(System.Globalization.CultureInfo.InvariantCulture), Calculator.Evaluate(text));
        }

        (string Text, long Value) Write(int depth)
        {
            if (depth == 0 || random.Next(4) == 0)
            {
                long number = random.Next(0, 100);
                return ($"{number}", number);
            }

            var (a, x) = Write(depth - 1);
            var (b, y) = Write(depth - 1);
            return random.Next(4) switch
            {
                0 => ($"({a} + {b})", x + y),
                1 => ($"({a} - {b})", x - y),
                2 => ($"({a}) *({b})", x * y),
                _ => ($"(-({a}))", -x),
            };
        }
    }

    [Fact]
    public async Task The_function_is_a_tool_with_one_argument()
    {
        var function = Calculator.CreateFunction();
        Assert.Equal("calculator", function.Name);
        Assert.Equal(["expression"], ToolSchema.Properties(function).Select(property => property.Key));
        Assert.Equal("6", (await function.InvokeAsync(new AIFunctionArguments { ["expression"] = "2*3" }))!.ToString());
        await Assert.ThrowsAsync<CalculatorException>(
            async () => await function.InvokeAsync(new AIFunctionArguments { ["expression"] = "1/0" }));
    }
}
