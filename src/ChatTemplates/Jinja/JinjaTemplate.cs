namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>A Jinja template in transformers' environment, read once and rendered any number of times from any thread.</summary>
internal sealed class JinjaTemplate
{
    private readonly IReadOnlyList<Statement> _body;
    private readonly IReadOnlySet<string> _mentioned;

    /// <summary>Reads a template.</summary>
    /// <exception cref="ChatTemplateException">The text is not a template, or is too long or too deep.</exception>
    public JinjaTemplate(string source)
        : this(source, new Meter())
    {
    }

    /// <summary>Reads a template and counts the work.</summary>
    public JinjaTemplate(string source, Meter meter)
    {
        Source = source;
        (_body, _mentioned, var bound) = Parser.Parse(source, meter);
        FreeVariables = [.. _mentioned.Where(name => !bound.Contains(name) && !Globals.TryGet(name, out _)).Order(StringComparer.Ordinal)];
        ReadSteps = meter.Steps;
    }

    public string Source { get; }

    /// <summary>The steps that reading took.</summary>
    public long ReadSteps { get; }

    /// <summary>The names that the template reads and gives no value to itself.</summary>
    public IReadOnlyList<string> FreeVariables { get; }

    /// <summary>Whether a name occurs as a variable.</summary>
    public bool Mentions(string name) => _mentioned.Contains(name);

    /// <summary>Renders the template.</summary>
    /// <param name="variables">Fills in the variables.</param>
    /// <param name="clock">The local time that <c>strftime_now</c> reads.</param>
    /// <exception cref="ChatTemplateException">The template fails, or exceeds its limits.</exception>
    public RenderedTemplate Render(Action<Rendering> variables, Func<DateTime> clock) => Render(variables, clock, new Meter());

    public RenderedTemplate Render(Action<Rendering> variables, Func<DateTime> clock, Meter meter)
    {
        var run = new Rendering(meter, clock);
        try
        {
            variables(run);
            run.Run(_body, run.Root, run.Output);
            return new RenderedTemplate(run.Output.ToText(), run.Generated, meter.Steps);
        }
        catch (ChatTemplateException exception)
        {
            throw exception.At(run.Line);
        }
    }
}
