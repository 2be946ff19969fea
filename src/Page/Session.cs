using Kotonoha.Foundation;
using Kotonoha.Server.Http;
using Kotonoha.Server.Keys;

namespace Kotonoha.Page;

/// <summary>One browser tab: its language and colours, and the key of whoever sits there, which is kept nowhere else.</summary>
/// <param name="authentication">Knows the keys.</param>
internal sealed class Session(Authentication authentication)
{
    private string? _secret;

    /// <summary>Something that every screen shows has changed.</summary>
    public event Action? Changed;

    public string Language { get; private set; } = Texts.English;

    public bool IsDark { get; private set; }

    /// <summary>Whether a key has to be given before anything is shown.</summary>
    public bool NeedsKey => authentication.IsRequired && !IsKnown(_secret);

    public bool HasKey => _secret is not null && authentication.IsRequired;

    /// <summary>A text in the tab's language.</summary>
    public string this[string key] => Texts.Get(Language, key);

    public string Format(string key, params object?[] values)
        => string.Format(System.Globalization.CultureInfo.InvariantCulture, this[key], values);

    /// <summary>Who the tab is, for looking; a key that has been removed or has run out is none any more.</summary>
    /// <exception cref="ApiException">A key is needed.</exception>
    public Caller Who() => authentication.Find(_secret);

    /// <summary>Who the tab is, for work: counts against the key's rate.</summary>
    /// <exception cref="ApiException">A key is needed, or the rate is exceeded.</exception>
    public Caller Ask()
    {
        var caller = Who();
        authentication.Count(caller);
        return caller;
    }

    public bool TryKey(string secret)
    {
        if (!IsKnown(secret))
            return false;
        _secret = secret;
        Changed?.Invoke();
        return true;
    }

    public void ForgetKey()
    {
        if (_secret is null)
            return;
        _secret = null;
        Changed?.Invoke();
    }

    public void SetLanguage(string language)
    {
        Language = Texts.Known(language);
        Changed?.Invoke();
    }

    public void SetDark(bool isDark)
    {
        IsDark = isDark;
        Changed?.Invoke();
    }

    /// <summary>What to tell of an exception that ends a piece of work.</summary>
    public string Problem(Exception exception) => exception switch
    {
        ApiException or KotonohaException => exception.Message,
        OperationCanceledException => this["stopped"],
        _ => this["failed"],
    };

    private bool IsKnown(string? secret)
    {
        try
        {
            authentication.Find(secret);
            return true;
        }
        catch (ApiException)
        {
            return false;
        }
    }
}
