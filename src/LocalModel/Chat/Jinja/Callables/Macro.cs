namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A macro, or the body of a call block, with the scope where it was made.</summary>
internal sealed class Macro(MacroBody body, Scope scope) : Callable
{
    public override string Name => body.Name;

    public MacroBody Body => body;

    public override object Call(Rendering run, Arguments arguments)
    {
        var inside = new Scope(scope);
        var named = arguments.Named.ToList();
        int place = 0, parameters = body.Parameters.Count;
        bool foundCaller = parameters == arguments.Positional.Count && body.Parameters.Contains("caller");
        var values = new object?[parameters];
        for (; place < Math.Min(parameters, arguments.Positional.Count); place++)
            values[place] = arguments.Positional[place];
        for (; place < parameters; place++)
        {
            var name = body.Parameters[place];
            int given = named.FindIndex(n => n.Name == name);
            foundCaller |= name == "caller";
            if (given < 0)
                continue;
            values[place] = named[given].Value;
            named.RemoveAt(given);
        }

        if (body.UsesCaller && !foundCaller)
        {
            int given = named.FindIndex(n => n.Name == "caller");
            inside.Set("caller", given < 0 || named[given].Value is PyNone ? new Undefined("No caller defined") : named[given].Value);
            if (given >= 0)
                named.RemoveAt(given);
        }

        if (body.UsesKwargs)
        {
            var rest = run.NewDict();
            foreach (var (name, value) in named)
                rest.Set(name, value);
            inside.Set("kwargs", rest);
        }
        else if (named.Count > 0)
        {
            throw Fail.Type($"macro '{Name}' takes no keyword argument '{named[0].Name}'");
        }

        if (body.UsesVarargs)
            inside.Set("varargs", new PyTuple([.. arguments.Positional.Skip(parameters)]));
        else if (arguments.Positional.Count > parameters)
            throw Fail.Type($"macro '{Name}' takes not more than {parameters} argument(s)");

        for (int i = 0; i < parameters; i++)
        {
            int standard = i - (parameters - body.Defaults.Count);
            var name = body.Parameters[i];
            inside.Set(name, values[i] ?? (standard >= 0 ? body.Defaults[standard].Evaluate(run, inside) : new Undefined($"parameter '{name}' was not provided")));
        }

        return run.Capture(body.Body, inside);
    }
}
