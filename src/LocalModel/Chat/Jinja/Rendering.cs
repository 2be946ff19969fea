namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>One rendering of a template: what it has used, where it is, what it has written.</summary>
internal sealed class Rendering
{
    public Rendering(Meter meter, IReadOnlyDictionary<string, Block> blocks, Func<DateTime> clock)
    {
        Meter = meter;
        Equality = new PyEquality(meter);
        Output = new TextBuilder(meter);
        (Blocks, Clock) = (blocks, clock);
    }

    public Meter Meter { get; }

    public PyEquality Equality { get; }

    /// <summary>The text of the whole rendering.</summary>
    public TextBuilder Output { get; }

    /// <summary>The local time that <c>strftime_now</c> reads.</summary>
    public Func<DateTime> Clock { get; }

    public IReadOnlyDictionary<string, Block> Blocks { get; }

    /// <summary>The outermost variables.</summary>
    public Scope Root { get; } = new(null);

    /// <summary>The line of the statement or call that runs.</summary>
    public int Line { get; set; } = 1;

    public bool Autoescape { get; set; }

    /// <summary>What <c>generation</c> blocks wrote, in UTF-16 units of the output.</summary>
    public List<(int Start, int End)> Generated { get; } = [];

    public PyDict NewDict() => new(Equality);

    /// <summary>Runs statements whose text becomes a value.</summary>
    public PyString Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        var text = new TextBuilder(Meter);
        Run(body, scope, text);
        return text.ToText(Autoescape);
    }

    public Flow Run(IReadOnlyList<Statement> body, Scope scope, TextBuilder output)
    {
        Meter.Enter();
        for (int i = 0; i < body.Count; i++)
        {
            var statement = body[i];
            Meter.Step();
            if (statement.Line > 0)
                Line = statement.Line;
            var flow = statement.Execute(this, scope, output);
            if (flow != Flow.Next)
            {
                Meter.Leave();
                return flow;
            }
        }

        Meter.Leave();
        return Flow.Next;
    }
}
