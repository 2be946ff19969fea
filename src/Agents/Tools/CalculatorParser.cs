namespace Kotonoha.Agents.Tools;

/// <summary>Reads and calculates an expression by recursive descent: sums, products, signs, powers, atoms.</summary>
internal sealed class CalculatorParser
{
    private static readonly Dictionary<string, Function> Functions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["sqrt"] = new(1, 1, v => InDouble(Math.Sqrt, v)),
        ["cbrt"] = new(1, 1, v => InDouble(Math.Cbrt, v)),
        ["abs"] = new(1, 1, v => v[0].Map(Math.Abs, Math.Abs)),
        ["floor"] = new(1, 1, v => v[0].Map(Math.Floor, Math.Floor)),
        ["ceil"] = new(1, 1, v => v[0].Map(Math.Ceiling, Math.Ceiling)),
        ["trunc"] = new(1, 1, v => v[0].Map(Math.Truncate, Math.Truncate)),
        ["round"] = new(1, 2, Round),
        ["min"] = new(1, int.MaxValue, v => v.Aggregate((a, b) => b.CompareTo(a) < 0 ? b : a)),
        ["max"] = new(1, int.MaxValue, v => v.Aggregate((a, b) => b.CompareTo(a) > 0 ? b : a)),
        ["sum"] = new(1, int.MaxValue, v => v.Aggregate((a, b) => a + b)),
        ["pow"] = new(2, 2, v => CalculatorValue.Power(v[0], v[1])),
        ["exp"] = new(1, 1, v => InDouble(Math.Exp, v)),
        ["ln"] = new(1, 1, v => InDouble(Math.Log, v)),
        ["log10"] = new(1, 1, v => InDouble(Math.Log10, v)),
        ["log2"] = new(1, 1, v => InDouble(Math.Log2, v)),
        ["log"] = new(2, 2, v => CalculatorValue.From(Math.Log(v[0].Approximate) / Math.Log(v[1].Approximate))),
        ["sin"] = new(1, 1, v => InDouble(Math.Sin, v)),
        ["cos"] = new(1, 1, v => InDouble(Math.Cos, v)),
        ["tan"] = new(1, 1, v => InDouble(Math.Tan, v)),
        ["asin"] = new(1, 1, v => InDouble(Math.Asin, v)),
        ["acos"] = new(1, 1, v => InDouble(Math.Acos, v)),
        ["atan"] = new(1, 1, v => InDouble(Math.Atan, v)),
    };

    private static readonly Dictionary<string, double> Constants = new(StringComparer.OrdinalIgnoreCase)
    {
        ["pi"] = Math.PI,
        ["π"] = Math.PI,
        ["e"] = Math.E,
    };

    private readonly string _written;
    private readonly char[] _text;
    private int _at;
    private int _depth;

    internal CalculatorParser(string expression)
    {
        _written = expression;
        if (expression.Length > Calculator.MaxLength)
            throw Error(Calculator.MaxLength, $"the expression is longer than {Calculator.MaxLength} characters; split it.");
        _text = [.. expression.Select(Fold)];
    }

    internal CalculatorValue Evaluate()
    {
        var value = ReadSum();
        SkipBlanks();
        if (_at < _text.Length)
            throw Error(_at, _text[_at] switch
            {
                ')' => "a closing parenthesis has no opening one.",
                ',' => "a comma stands outside of a function; write large numbers without it (1234.5).",
                '=' => "an equation is not calculated; write one side alone.",
                _ => $"'{_written[_at]}' is not understood here; an operator (+ - * / % ^) or the end is missing.",
            });
        return value;
    }

    /// <summary>Converts full-width and typographic forms to ASCII, one character for one.</summary>
    private static char Fold(char c) => c switch
    {
        >= '！' and <= '～' => (char)(c - '！' + '!'),
        '　' or '\u00A0' => ' ',
        '×' or '·' or '⋅' or '∗' => '*',
        '÷' or '∕' => '/',
        '−' or '–' => '-',
        _ => c,
    };

    private static CalculatorValue InDouble(Func<double, double> function, CalculatorValue[] arguments)
        => CalculatorValue.From(function(arguments[0].Approximate));

    private static CalculatorValue Round(CalculatorValue[] arguments)
    {
        const int most = 15;
        if (arguments.Length == 1)
            return arguments[0].Map(x => Math.Round(x, MidpointRounding.AwayFromZero), x => Math.Round(x, MidpointRounding.AwayFromZero));
        if (arguments[1].Exact is not { } places || !decimal.IsInteger(places) || places is < 0 or > most)
            return new CalculatorValue(double.NaN, null);
        return arguments[0].Map(
            x => Math.Round(x, (int)places, MidpointRounding.AwayFromZero), x => Math.Round(x, (int)places, MidpointRounding.AwayFromZero));
    }

    private CalculatorException Error(int at, string problem) => new(_written, at + 1, problem);

    private CalculatorValue Finite(CalculatorValue value, int at, string what)
        => double.IsNaN(value.Approximate) ? throw Error(at,
            $"{what} has no value for {(what.StartsWith('\'') ? "these arguments" : "these numbers")}.")
            : double.IsInfinity(value.Approximate) ? throw Error(at, $"the result of {what} is too large or infinite.")
            : value;

    private CalculatorValue ReadSum()
    {
        var value = ReadProduct();
        while (true)
        {
            SkipBlanks();
            int at = _at;
            if (Take('+'))
                value = Finite(value + ReadProduct(), at, "the sum");
            else if (Take('-'))
                value = Finite(value - ReadProduct(), at, "the difference");
            else
                return value;
        }
    }

    private CalculatorValue ReadProduct()
    {
        var value = ReadSign();
        while (true)
        {
            SkipBlanks();
            int at = _at;
            if (Take('*'))
            {
                value = Finite(value * ReadSign(), at, "the product");
            }
            else if (Take('/') || Take('%'))
            {
                bool isRemainder = _text[_at - 1] == '%';
                SkipBlanks();
                if (isRemainder && (_at >= _text.Length || _text[_at] is ')' or ',' or '+' or '*' or '/'))
                    throw Error(at, "% is the remainder and wants a number on its right; write 0.05 or 5/100 for 5 percent.");
                var divisor = ReadSign();
                if (divisor.IsZero)
                    throw Error(at, "division by zero.");
                value = Finite(isRemainder ? value % divisor : value / divisor, at, "the division");
            }
            else
            {
                return value;
            }
        }
    }

    private CalculatorValue ReadSign()
    {
        SkipBlanks();
        if (++_depth > Calculator.MaxDepth)
            throw Error(_at, $"the expression is nested more than {Calculator.MaxDepth} levels deep.");
        try
        {
            return Take('-') ? -ReadSign() : Take('+') ? ReadSign() : ReadPower();
        }
        finally
        {
            _depth--;
        }
    }

    private CalculatorValue ReadPower()
    {
        var value = ReadAtom();
        SkipBlanks();
        int at = _at;
        if (!Take('^') && !TakePower())
            return value;
        // Binds to the right, with a sign of its own: 2^-3^2 is 2^(-(3^2)).
        var exponent = ReadSign();
        if (value.IsZero && exponent.Approximate < 0)
            throw Error(at, "division by zero.");
        return Finite(CalculatorValue.Power(value, exponent), at, "the power");
    }

    private CalculatorValue ReadAtom()
    {
        SkipBlanks();
        if (_at >= _text.Length)
            throw Error(_at, _text.All(char.IsWhiteSpace) ? "the expression is empty." : "a number is missing at the end.");
        int start = _at;
        char c = _text[_at];
        if (char.IsAsciiDigit(c) || c == '.')
            return ReadNumber();
        if (char.IsLetter(c))
            return ReadName();
        if (!Take('('))
            throw Error(start, $"'{_written[start]}' is not understood here; a number, a function or a parenthesis is missing.");
        var value = ReadSum();
        SkipBlanks();
        return Take(')') ? value : throw Error(start, "the parenthesis that opens here is not closed.");
    }

    private CalculatorValue ReadNumber()
    {
        int start = _at;
        SkipDigits();
        if (_at < _text.Length && _text[_at] == '.')
        {
            _at++;
            SkipDigits();
        }

        if (_at == start + 1 && _text[start] == '.')
            throw Error(start, "a point alone is not a number.");
        if (_at < _text.Length && _text[_at] is 'e' or 'E')
        {
            int digits = _at + 1 + (_at + 1 < _text.Length && _text[_at + 1] is '+' or '-' ? 1 : 0);
            if (digits < _text.Length && char.IsAsciiDigit(_text[digits]))
            {
                _at = digits;
                SkipDigits();
            }
        }

        return Finite(CalculatorValue.Parse(_text.AsSpan(start, _at - start)), start, "the number");
    }

    private CalculatorValue ReadName()
    {
        int start = _at;
        while (_at < _text.Length && char.IsLetterOrDigit(_text[_at]))
            _at++;
        var name = new string(_text, start, _at - start);
        SkipBlanks();
        if (Constants.TryGetValue(name, out var constant) && (_at >= _text.Length || _text[_at] != '('))
            return CalculatorValue.From(constant);
        if (!Functions.TryGetValue(name, out var function))
            throw Error(start, $"'{name}' is not known; known are {string.Join(", ", Functions.Keys)}, pi and e.");
        if (!Take('('))
            throw Error(start, $"'{name}' wants its arguments in parentheses: {name}(…).");
        var arguments = new List<CalculatorValue>();
        do
            arguments.Add(ReadSum());
        while (Take(','));
        SkipBlanks();
        if (!Take(')'))
            throw Error(start, $"the parenthesis of '{name}' is not closed.");
        if (arguments.Count < function.MinArguments || arguments.Count > function.MaxArguments)
            throw Error(start, string.Equals(name, "log", StringComparison.OrdinalIgnoreCase)
                ? "write ln(x), log10(x) or log(x, base)."
                : $"'{name}' wants {function.Arity} arguments, but has {arguments.Count}.");
        return Finite(function.Apply([.. arguments]), start, $"'{name}'");
    }

    private bool Take(char c)
    {
        // '**' is a power, not a product.
        if (_at >= _text.Length || _text[_at] != c || (c == '*' && _at + 1 < _text.Length && _text[_at + 1] == '*'))
            return false;
        _at++;
        return true;
    }

    private bool TakePower()
    {
        if (_at + 1 >= _text.Length || _text[_at] != '*' || _text[_at + 1] != '*')
            return false;
        _at += 2;
        return true;
    }

    private void SkipBlanks()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
            _at++;
    }

    private void SkipDigits()
    {
        while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
            _at++;
    }

    private sealed record Function(int MinArguments, int MaxArguments, Func<CalculatorValue[], CalculatorValue> Apply)
    {
        public string Arity => MinArguments == MaxArguments ? $"{MinArguments}" : $"{MinArguments} to {MaxArguments}";
    }
}
